use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use morgana_model::{ImageName, WorkloadKind};
use rustix::fs::{Access, Mode};
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal, setsid, umask};

use crate::cgroup::Group;
use crate::{Error, Launch};

/// The variable by which the processes of a workload can be found; its value is their data folder, and which agent
/// started them.
pub(super) const MARK: &str = "MORGANA_WORKLOAD";

/// Where programs are looked for when our own environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<String>,
}

/// What to run for an image.
pub(super) fn program(image: &ImageName, own: &Path, kind: WorkloadKind) -> Result<Program, Error> {
    match image {
        ImageName::Builtin(named) => {
            let role = match kind {
                WorkloadKind::ThingVisor => "thingvisor",
                WorkloadKind::VSilo => "silo",
            };
            Ok(Program { path: own.to_owned(), arguments: vec![role.to_owned(), named.clone()] })
        }
        ImageName::Exec(path) => {
            let path = PathBuf::from(path);
            match what_is_wrong(&path) {
                Some(reason) => Err(Error::NotAProgram { path, reason }),
                None => Ok(Program { path, arguments: Vec::new() }),
            }
        }
        ImageName::Oci(_) | ImageName::Wasm(_) | ImageName::Vm(_) => Err(Error::NotYet(image.clone())),
    }
}

fn what_is_wrong(path: &Path) -> Option<&'static str> {
    if !path.is_absolute() {
        Some("give the whole path, from '/' on")
    } else if !path.exists() {
        Some("there is no such file on this node")
    } else if !path.is_file() {
        Some("it is not a file")
    } else if rustix::fs::access(path, Access::EXEC_OK).is_err() {
        Some("it may not be executed; try chmod +x")
    } else {
        None
    }
}

/// The command that runs a workload, and the end of the pipe that all it prints comes out of.
pub(super) fn prepare(
    program: Program,
    launch: &Launch,
    mark: &OsStr,
    group: &Group,
) -> io::Result<(Command, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(program.path);
    command
        .args(program.arguments)
        .current_dir(&launch.data)
        .env_clear()
        .env("PATH", own_variable("PATH").unwrap_or_else(|| DEFAULT_PATH.into()))
        .env("HOME", &launch.data)
        .env("LANG", own_variable("LANG").unwrap_or_else(|| "C.UTF-8".into()))
        .env(MARK, mark)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    if let Some(filter) = own_variable("RUST_LOG") {
        command.env("RUST_LOG", filter);
    }
    command.envs(&launch.variables);
    before_exec(&mut command, group.doors()?);
    Ok((command, reader))
}

fn own_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// What the new process does to itself before it becomes the workload.
#[allow(unsafe_code)]
fn before_exec(command: &mut Command, doors: Vec<File>) {
    let agent = getpid();
    let become_workload = move || {
        setsid()?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The agent may have died before that call: then nobody sends the signal.
        if getppid() != Some(agent) {
            return Err(rustix::io::Errno::SRCH.into());
        }
        // No program of a workload is more than the agent is. (A setuid program would also
        // clear the signal above.)
        rustix::thread::set_no_new_privs(true)?;
        umask(Mode::RWXG | Mode::RWXO);
        for door in &doors {
            rustix::io::write(door, b"0")?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only what is safe in a signal handler may run. The closure
    // makes system calls and nothing else: it allocates nothing and takes no lock.
    unsafe { command.pre_exec(become_workload) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(image: &str, kind: WorkloadKind) -> Result<Program, Error> {
        program(&image.parse().unwrap(), Path::new("/bin/morgana"), kind)
    }

    #[test]
    fn a_builtin_image_is_a_role_of_our_own_program() {
        let arguments = |kind| of("builtin:host", kind).unwrap().arguments;
        assert_eq!(arguments(WorkloadKind::ThingVisor), ["thingvisor", "host"]);
        assert_eq!(arguments(WorkloadKind::VSilo), ["silo", "host"]);
    }

    #[test]
    fn a_program_that_cannot_run_is_refused_with_the_reason() {
        let error = |image| of(image, WorkloadKind::VSilo).unwrap_err();
        for (image, reason) in [
            ("exec:bin/x", "whole path"),
            ("exec:/no/such/program", "no such file"),
            ("exec:/tmp", "not a file"),
            ("exec:/etc/passwd", "chmod +x"),
        ] {
            let error = error(image);
            assert!(error.to_string().contains(reason) && error.to_string().contains(image), "{error}");
            assert!(error.is_permanent());
        }
    }

    #[test]
    fn images_that_cannot_run_yet_are_named_with_what_can() {
        for image in ["fed4iot/hello:1", "wasm:/x.wasm", "vm:/x.img"] {
            let error = of(image, WorkloadKind::ThingVisor).unwrap_err();
            assert!(error.to_string().contains("exec:<path>"), "{error}");
            assert!(error.is_permanent());
        }
        let error = of("fed4iot/hello:1", WorkloadKind::ThingVisor).unwrap_err().to_string();
        assert!(error.contains("oci:fed4iot/hello:1"), "{error}");
    }
}
