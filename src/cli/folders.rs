//! Where an agent has its things when nobody says otherwise: the system's folders for root, the user's for others.

use std::ffi::OsString;
use std::path::PathBuf;

use super::args::{Agent, Place};
use super::failure::{CONFIG, Failure};
use crate::control::Client;

/// Every default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// The document.
    pub(crate) config: PathBuf,
    /// What survives a restart of the machine.
    pub(crate) state_dir: PathBuf,
    /// What does not, and the control socket.
    pub(crate) runtime_dir: PathBuf,
}

type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl Folders {
    /// The defaults for whoever runs this, with what was said in their place.
    pub(crate) fn of(place: &Place) -> Result<Self, Failure> {
        let root = rustix::process::geteuid().is_root();
        choose(place, root, &|name| std::env::var_os(name)).ok_or_else(|| {
            Failure::new(CONFIG, "there is no HOME to find folders in; say --config, --state-dir and --runtime-dir")
        })
    }
}

/// The client for the agent that is meant: `--socket`, then `MAILWARD_SOCKET`, then the runtime folder.
pub(crate) fn client(agent: &Agent, place: &Place) -> Result<Client, Failure> {
    let said = agent.socket.clone().or_else(|| match place.runtime_dir {
        // Whoever names the folder means the agent that lives there.
        Some(_) => None,
        None => std::env::var_os("MAILWARD_SOCKET").filter(|path| !path.is_empty()).map(PathBuf::from),
    });
    let socket = match said {
        Some(socket) => socket,
        None => Folders::of(place)?.runtime_dir.join("control.sock"),
    };
    Ok(Client::new(socket))
}

/// Nothing where a folder is needed and neither said nor found. The XDG base directory specification gives the names
/// and says that a relative path counts as none; without `XDG_RUNTIME_DIR` (no login session) the runtime folder is
/// below the state folder.
fn choose(place: &Place, root: bool, environment: Environment<'_>) -> Option<Folders> {
    let absolute = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = |below: &str| absolute("HOME").map(|home| home.join(below));
    let or = |said: &Option<PathBuf>, system: &str, user: &dyn Fn() -> Option<PathBuf>| {
        said.clone().or_else(|| if root { Some(PathBuf::from(system)) } else { user() })
    };
    let state_home = || absolute("XDG_STATE_HOME").or_else(|| home(".local/state"));
    Some(Folders {
        config: or(&place.config, "/etc/mailward/mailward.yaml", &|| {
            let folder = absolute("XDG_CONFIG_HOME").or_else(|| home(".config"))?;
            Some(folder.join("mailward/mailward.yaml"))
        })?,
        state_dir: or(&place.state_dir, "/var/lib/mailward", &|| Some(state_home()?.join("mailward")))?,
        runtime_dir: or(&place.runtime_dir, "/run/mailward", &|| match absolute("XDG_RUNTIME_DIR") {
            Some(folder) => Some(folder.join("mailward")),
            None => Some(state_home()?.join("mailward/run")),
        })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(root: bool, variables: &[(&str, &str)], place: &Place) -> Option<[String; 3]> {
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        let text = |path: PathBuf| path.display().to_string();
        choose(place, root, &lookup).map(|found| [text(found.config), text(found.state_dir), text(found.runtime_dir)])
    }

    #[test]
    fn root_has_the_folders_of_the_system_whatever_the_environment_says() {
        let found = chosen(true, &[("HOME", "/root"), ("XDG_RUNTIME_DIR", "/run/user/0")], &Place::default());
        assert_eq!(found.unwrap(), ["/etc/mailward/mailward.yaml", "/var/lib/mailward", "/run/mailward"]);
    }

    #[test]
    fn others_have_the_folders_of_the_xdg_specification() {
        let found = chosen(false, &[("HOME", "/home/a"), ("XDG_RUNTIME_DIR", "/run/user/7")], &Place::default());
        let expected =
            ["/home/a/.config/mailward/mailward.yaml", "/home/a/.local/state/mailward", "/run/user/7/mailward"];
        assert_eq!(found.unwrap(), expected);
        let all = [("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s"), ("XDG_RUNTIME_DIR", "relative")];
        let found = chosen(false, &all, &Place::default());
        assert_eq!(found.unwrap(), ["/c/mailward/mailward.yaml", "/s/mailward", "/s/mailward/run"]);
    }

    #[test]
    fn what_is_said_needs_no_home() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(chosen(false, &[], &Place::default()), None);
        let place = Place { config: path("c"), state_dir: path("s"), runtime_dir: path("r") };
        assert_eq!(chosen(false, &[], &place).unwrap(), ["c", "s", "r"]);
    }
}
