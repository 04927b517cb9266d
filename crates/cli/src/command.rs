//! The commands of the command line, and carrying one out.

use std::process::ExitCode;

use clap::Subcommand;

use crate::call::{Call, perform};
use crate::commands::{
    AddFlavour, AddThingVisor, AddVThing, CreateVSilo, DelFlavour, DelThingVisor, DelVThing,
    DelVThingEndpoint, DestroyVSilo, Events, InspectFlavour, InspectTenant, InspectThingVisor, InspectVSilo,
    ListFlavours, ListThingVisors, ListUsers, ListVSilos, ListVThings, Login, Logout, Logs, Register,
    Restart, SetVThingEndpoint, Status, Top, Unregister, UpdateThingVisor,
};
use crate::error::Error;
use crate::terminal::Terminal;

/// What a user can ask of a controller; the names and short options are VirIoT's
/// (viriot-wire.md section 2.3).
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Log in, and keep the token for the commands that follow.
    #[command(after_help = "Example: morgana login -u admin")]
    Login(Call<Login>),
    /// Log out, and forget the token.
    #[command(after_help = "Example: morgana logout")]
    Logout(Call<Logout>),
    /// Register a user (administrators).
    #[command(after_help = "Example: morgana register -u tenant1 -p 'a good password'")]
    Register(Call<Register>),
    /// Unregister a user (administrators).
    #[command(after_help = "Example: morgana unregister -u tenant1")]
    Unregister(Call<Unregister>),
    /// List users (administrators).
    #[command(after_help = "Example: morgana list-users")]
    ListUsers(Call<ListUsers>),
    /// Show all that a tenant has: its vSilos and what is plugged into them.
    #[command(after_help = "Example: morgana inspect-tenant -t tenant1")]
    InspectTenant(Call<InspectTenant>),
    /// Add a flavour of vSilos (administrators).
    #[command(
        after_help = "Example: morgana add-flavour -f open-mqtt -i builtin:mqtt -s '{\"access\": \"open\"}'"
    )]
    AddFlavour(Call<AddFlavour>),
    /// Delete a flavour (administrators).
    #[command(after_help = "Example: morgana del-flavour -n open-mqtt")]
    DelFlavour(Call<DelFlavour>),
    /// List flavours.
    #[command(after_help = "Example: morgana list-flavours --output json")]
    ListFlavours(Call<ListFlavours>),
    /// Show a flavour with its parameters.
    #[command(after_help = "Example: morgana inspect-flavour -v mqtt")]
    InspectFlavour(Call<InspectFlavour>),
    /// Add a ThingVisor (administrators).
    #[command(
        name = "add-thingvisor",
        after_help = "Examples:\n  morgana add-thingvisor -n host -i builtin:host -p '{\"rate\": 5}' --wait\n  \
                      morgana add-thingvisor -n melbourne -i builtin:replay -p @melbourne.json"
    )]
    AddThingVisor(Call<AddThingVisor>),
    /// Give a ThingVisor new parameters while it runs (administrators).
    #[command(
        name = "update-thingvisor",
        after_help = "Example: morgana update-thingvisor -n host -p '{\"intervalSeconds\": 5}'"
    )]
    UpdateThingVisor(Call<UpdateThingVisor>),
    /// Delete a ThingVisor with its vThings (administrators).
    #[command(name = "del-thingvisor", after_help = "Example: morgana del-thingvisor -n host --wait")]
    DelThingVisor(Call<DelThingVisor>),
    /// List ThingVisors (administrators).
    #[command(name = "list-thingvisors", after_help = "Example: morgana list-thingvisors")]
    ListThingVisors(Call<ListThingVisors>),
    /// Show a ThingVisor (administrators).
    #[command(name = "inspect-thingvisor", after_help = "Example: morgana inspect-thingvisor -v host")]
    InspectThingVisor(Call<InspectThingVisor>),
    /// List the vThings there are to plug in.
    #[command(name = "list-vthings", after_help = "Example: morgana list-vthings")]
    ListVThings(Call<ListVThings>),
    /// Say where a vThing's generic content is served from (administrators).
    #[command(
        name = "set-vthing-endpoint",
        after_help = "Example: morgana set-vthing-endpoint -v camera/front -e http://10.0.0.7:8080"
    )]
    SetVThingEndpoint(Call<SetVThingEndpoint>),
    /// Say that a vThing has no generic content any more (administrators).
    #[command(
        name = "del-vthing-endpoint",
        after_help = "Example: morgana del-vthing-endpoint -v camera/front"
    )]
    DelVThingEndpoint(Call<DelVThingEndpoint>),
    /// Create a vSilo.
    #[command(name = "create-vsilo", after_help = "Example: morgana create-vsilo -s home -f ngsi-ld --wait")]
    CreateVSilo(Call<CreateVSilo>),
    /// Destroy a vSilo and all that is in it.
    #[command(name = "destroy-vsilo", after_help = "Example: morgana destroy-vsilo -s home --wait")]
    DestroyVSilo(Call<DestroyVSilo>),
    /// List vSilos: an administrator all, a tenant its own.
    #[command(name = "list-vsilos", after_help = "Example: morgana list-vsilos")]
    ListVSilos(Call<ListVSilos>),
    /// Show a vSilo, its token, its vThings, and how to connect to it.
    #[command(name = "inspect-vsilo", after_help = "Example: morgana inspect-vsilo -v tenant1_home")]
    InspectVSilo(Call<InspectVSilo>),
    /// Plug a vThing into a vSilo.
    #[command(name = "add-vthing", after_help = "Example: morgana add-vthing -s home -v host/load")]
    AddVThing(Call<AddVThing>),
    /// Unplug a vThing from a vSilo.
    #[command(name = "del-vthing", after_help = "Example: morgana del-vthing -s home -v host/load")]
    DelVThing(Call<DelVThing>),
    /// Start a ThingVisor or a vSilo anew, whether it runs or has failed.
    #[command(after_help = "Example: morgana restart vsilo/tenant1_home --wait")]
    Restart(Call<Restart>),
    /// Show the log of a ThingVisor or a vSilo.
    #[command(after_help = "Example: morgana logs vsilo/tenant1_home -f")]
    Logs(Call<Logs>),
    /// Show how the platform is: what runs, where, and what failed.
    #[command(after_help = "Example: morgana status")]
    Status(Call<Status>),
    /// Show what workloads use, live: processor, memory, messages.
    #[command(after_help = "Examples:\n  morgana top\n  morgana top -n 1 --output json")]
    Top(Call<Top>),
    /// Show each change of a resource when it happens.
    #[command(after_help = "Example: morgana events --output json")]
    Events(Call<Events>),
}

/// Carries a command out in the terminal of this process. Exit status 0, or 1 after an error, which
/// is told on stderr.
pub async fn run(command: Command) -> ExitCode {
    ExitCode::from(run_in(&mut Terminal::of_process(), command).await)
}

/// [`run`] in any terminal; the exit status.
pub async fn run_in(terminal: &mut Terminal, command: Command) -> u8 {
    match dispatch(command, terminal).await {
        Ok(()) => 0,
        Err(error) if error.is_broken_pipe() => 0,
        Err(error) => {
            // Where errors cannot be told, the exit status still tells.
            writeln!(terminal.messages, "error: {}", error.in_one_line()).ok();
            1
        }
    }
}

async fn dispatch(command: Command, terminal: &mut Terminal) -> Result<(), Error> {
    match command {
        Command::Login(call) => perform(call, terminal).await,
        Command::Logout(call) => perform(call, terminal).await,
        Command::Register(call) => perform(call, terminal).await,
        Command::Unregister(call) => perform(call, terminal).await,
        Command::ListUsers(call) => perform(call, terminal).await,
        Command::InspectTenant(call) => perform(call, terminal).await,
        Command::AddFlavour(call) => perform(call, terminal).await,
        Command::DelFlavour(call) => perform(call, terminal).await,
        Command::ListFlavours(call) => perform(call, terminal).await,
        Command::InspectFlavour(call) => perform(call, terminal).await,
        Command::AddThingVisor(call) => perform(call, terminal).await,
        Command::UpdateThingVisor(call) => perform(call, terminal).await,
        Command::SetVThingEndpoint(call) => perform(call, terminal).await,
        Command::DelVThingEndpoint(call) => perform(call, terminal).await,
        Command::DelThingVisor(call) => perform(call, terminal).await,
        Command::ListThingVisors(call) => perform(call, terminal).await,
        Command::InspectThingVisor(call) => perform(call, terminal).await,
        Command::ListVThings(call) => perform(call, terminal).await,
        Command::CreateVSilo(call) => perform(call, terminal).await,
        Command::DestroyVSilo(call) => perform(call, terminal).await,
        Command::ListVSilos(call) => perform(call, terminal).await,
        Command::InspectVSilo(call) => perform(call, terminal).await,
        Command::AddVThing(call) => perform(call, terminal).await,
        Command::DelVThing(call) => perform(call, terminal).await,
        Command::Status(call) => perform(call, terminal).await,
        Command::Top(call) => perform(call, terminal).await,
        Command::Restart(call) => perform(call, terminal).await,
        Command::Logs(call) => perform(call, terminal).await,
        Command::Events(call) => perform(call, terminal).await,
    }
}
