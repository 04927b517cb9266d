//! A colour lamp that simulates itself, after VirIoT's HelloWorldActuator (viriot-wire.md section 4.1).

use morgana_thingvisor::{
    Actuator, Entity, Environment, Error, Feedback, NewVThing, Options, ReceivedCommand, RunError,
    ThingVisor, VThing, run,
};

const NAME: &str = "Lamp01";
const COMMANDS: [&str; 3] = ["set-color", "set-luminosity", "set-status"];

fn main() -> Result<(), RunError> {
    run(Environment::from_env()?, Options::default(), lamp)
}

async fn lamp(visor: ThingVisor) -> Result<(), RunError> {
    let mut new = NewVThing::new(NAME).label("lamp").description("a simulated colour lamp");
    // A lamp that was on before a restart is still on.
    if visor.known(NAME).await?.is_empty() {
        let entity = Entity::builder(format!("urn:ngsi-ld:{}:{NAME}", visor.id()), "Lamp")
            .property("status", "off")
            .property("color", "white")
            .property("luminosity", 255);
        new = new.entity(entity.build().map_err(RunError::failed)?);
    }
    visor.create_actuator(new, Lamp).await?;
    Ok(())
}

struct Lamp;

impl Actuator for Lamp {
    fn commands(&self) -> Vec<String> {
        COMMANDS.map(str::to_owned).to_vec()
    }

    async fn act(&mut self, lamp: &VThing, command: ReceivedCommand, feedback: Feedback) {
        let told = match change(lamp, command).await {
            Ok(()) => feedback.ok().await,
            Err(error) => feedback.fail(&error.to_string()).await,
        };
        if let Err(error) = told {
            eprintln!("feedback not sent: {error}");
        }
    }
}

/// `set-color` sets `color`, and so on.
async fn change(lamp: &VThing, command: ReceivedCommand) -> Result<(), Error> {
    let property = command.name.trim_start_matches("set-");
    let entity = Entity::builder(command.entity, "Lamp").property(property, command.command.cmd_value);
    match entity.build() {
        Ok(changed) => lamp.publish(changed).await,
        // The kit hands on only commands for entities that there are.
        Err(_) => Err(Error::NotFound(lamp.id().clone())),
    }
}
