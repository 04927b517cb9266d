use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Group;
use super::own::{Controller, OwnGroups};
use super::plan::{self, Version};
use crate::Limits;

/// The group into which we move ourselves where only groups without processes may have limits
/// for those below them (cgroup-v2.rst, "No Internal Process Constraint").
const AGENT: &str = "morgana-agent";

/// The cgroups of one agent: a folder in each hierarchy that can be used, with a group for each
/// workload below it.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    parents: Vec<Parent>,
    /// Why a limit cannot be set.
    problem: Option<String>,
}

#[derive(Debug)]
struct Parent {
    folder: PathBuf,
    version: Version,
    controllers: Vec<Controller>,
}

/// Our own children that are in a group: the keeper.
fn children_in(group: &Path) -> Vec<i32> {
    let ours = i32::try_from(std::process::id()).ok();
    let is_ours = |pid: &i32| {
        let stat = procfs::process::Process::new(*pid).and_then(|process| process.stat());
        stat.ok().map(|stat| stat.ppid) == ours
    };
    let all = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    all.lines().filter_map(|line| line.parse().ok()).filter(is_ours).collect()
}

impl Cgroups {
    /// Makes the folders. `name` tells this agent from others on the machine, and stays the same
    /// over its restarts.
    pub(crate) fn set_up(name: &str) -> Self {
        let mut cgroups = Self::default();
        let own = match OwnGroups::read() {
            Ok(own) => own,
            Err(error) => {
                cgroups.problem = Some(format!("cannot read where the cgroups are: {error}"));
                return cgroups;
            }
        };
        for (controller, folder) in &own.v1 {
            cgroups.add(folder.join(name), Version::V1, &[*controller]);
        }
        if let Some(folder) = own.v2 {
            let folder = if folder.ends_with(AGENT) { folder.parent().unwrap_or(&folder) } else { &folder };
            let controllers = cgroups.delegate(folder);
            cgroups.add(folder.join(name), Version::V2, &controllers);
            let parent = folder.join(name);
            if let Err(error) = enable(&parent, &controllers) {
                cgroups.problem = Some(format!("cannot limit groups below {}: {error}", parent.display()));
                cgroups
                    .parents
                    .iter_mut()
                    .filter(|known| known.folder == parent)
                    .for_each(|known| known.controllers.clear());
            }
        }
        cgroups
    }

    /// No cgroups at all.
    pub(crate) fn without(reason: &str) -> Self {
        Self { parents: Vec::new(), problem: Some(reason.to_owned()) }
    }

    /// Has the kernel offer the controllers of version 2 to the groups below `own`.
    fn delegate(&mut self, own: &Path) -> Vec<Controller> {
        let offered = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
        let mut controllers = Controller::ALL.to_vec();
        controllers.retain(|controller| offered.split_whitespace().any(|name| name == controller.name()));
        let result = enable(own, &controllers).or_else(|_| {
            // Our own process is in the way.
            make(&own.join(AGENT))?;
            let into = own.join(AGENT).join("cgroup.procs");
            for child in children_in(own) {
                fs::write(&into, child.to_string())?;
            }
            fs::write(&into, "0")?;
            enable(own, &controllers)
        });
        if let Err(error) = result {
            self.problem = Some(format!(
                "cannot limit groups below {}: {error}; run morgana as a service with Delegate=yes",
                own.display()
            ));
            controllers.clear();
        }
        controllers
    }

    fn add(&mut self, folder: PathBuf, version: Version, controllers: &[Controller]) {
        if let Some(known) = self.parents.iter_mut().find(|parent| parent.folder == folder) {
            known.controllers.extend_from_slice(controllers);
            return;
        }
        match make(&folder) {
            Ok(()) => self.parents.push(Parent { folder, version, controllers: controllers.to_vec() }),
            Err(error) => self.problem = Some(format!("cannot make a cgroup {}: {error}", folder.display())),
        }
    }

    /// For people: what holds for a workload with these limits.
    pub(crate) fn describe(&self, limits: &Limits) -> String {
        let each = |parent: &Parent| {
            let version = parent.version;
            parent.controllers.iter().map(move |controller| (version, *controller)).collect::<Vec<_>>()
        };
        let limited: Vec<_> = self.parents.iter().flat_map(each).collect();
        plan::describe(&limited, self.problem.as_deref(), limits)
    }

    /// Makes the group of a workload and writes its limits. What cannot be had is left out, and
    /// the text of the group says so.
    pub(crate) fn create(&self, name: &str, limits: &Limits) -> Group {
        let mut problem = self.problem.clone();
        let (mut folders, mut memory, mut limited) = (Vec::new(), None, Vec::new());
        for parent in &self.parents {
            let folder = parent.folder.join(name);
            if let Err(error) = make(&folder) {
                problem = Some(format!("cannot make a cgroup {}: {error}", folder.display()));
                continue;
            }
            for controller in &parent.controllers {
                match write(&folder, parent.version, *controller, limits) {
                    Ok(()) => limited.push((parent.version, *controller)),
                    Err(error) => problem = Some(format!("cannot limit {controller}: {error}")),
                }
                if *controller == Controller::Memory {
                    memory = Some((parent.version, folder.clone()));
                }
            }
            folders.push(folder);
        }
        Group::new(folders, memory, plan::describe(&limited, problem.as_deref(), limits))
    }

    /// Leaves no empty folder behind; one that is in use stays.
    pub(crate) fn remove(&self) {
        for parent in &self.parents {
            let _ = fs::remove_dir(&parent.folder);
        }
    }

    /// The groups that an agent of the same name has left behind.
    pub(crate) fn left_over(&self) -> Vec<Group> {
        let below = |parent: &Parent| {
            let entries = fs::read_dir(&parent.folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        self.parents.iter().flat_map(below).map(|folder| Group::left_over(vec![folder])).collect()
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Makes a group, with the one above it should somebody have tidied that away.
fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Has the groups below `folder` get these controllers.
fn enable(folder: &Path, controllers: &[Controller]) -> io::Result<()> {
    if controllers.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = controllers.iter().map(|controller| format!("+{}", controller.name())).collect();
    fs::write(folder.join("cgroup.subtree_control"), names.join(" "))
}

fn write(folder: &Path, version: Version, controller: Controller, limits: &Limits) -> io::Result<()> {
    for setting in plan::settings(version, controller, limits) {
        let result = fs::write(folder.join(setting.file), &setting.text);
        if setting.required {
            result?;
        }
    }
    Ok(())
}
