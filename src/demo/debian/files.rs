//! The folder of a real server: checked, opened to the users that work in it, filled.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use super::DebianError;

/// Names of Unix sockets below it are at most 40 characters long, and `sun_path` holds 108.
const ROOT_MAX: usize = 60;

/// A folder that files are written into.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Checks the path and opens it to other users.
    pub(super) fn open(root: &Path) -> Result<Self, DebianError> {
        let text = root.to_string_lossy();
        let fit = text.starts_with('/')
            && text.len() <= ROOT_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        if !fit {
            return Err(DebianError::Folder(text.into_owned()));
        }
        let folder = Self { root: root.to_owned() };
        folder.folder("", 0o755)?;
        Ok(folder)
    }

    /// The path of something in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The same as text; the root was checked to be plain ASCII.
    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Makes a folder of this mode.
    pub(super) fn folder(&self, name: &str, mode: u32) -> Result<(), DebianError> {
        let path = self.path(name);
        fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .map_err(|source| failed(&path, source))
    }

    /// Writes a file of this mode.
    pub(super) fn file(&self, name: &str, mode: u32, text: &str) -> Result<(), DebianError> {
        let path = self.path(name);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .map_err(|source| failed(&path, source))
    }

    /// Gives something to a user and the group of that name or number.
    pub(super) fn give(&self, name: &str, user: Option<&'static str>, group: &'static str) -> Result<(), DebianError> {
        let path = self.path(name);
        let uid = user.map(|user| id_in("/etc/passwd", user)).transpose()?;
        let gid = id_in("/etc/group", group)?;
        chown(&path, uid, Some(gid)).map_err(|source| failed(&path, source))
    }
}

fn failed(path: &Path, source: std::io::Error) -> DebianError {
    DebianError::File { path: path.display().to_string(), source }
}

/// passwd(5) and group(5) both have the number in their third field.
fn id_in(file: &'static str, name: &'static str) -> Result<u32, DebianError> {
    let text = fs::read_to_string(file).map_err(|source| failed(Path::new(file), source))?;
    text.lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| {
            (fields.next() == Some(name)).then(|| fields.nth(1).and_then(|number| number.parse().ok()))?
        })
        .ok_or(DebianError::NoUser(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_whose_name_would_break_a_configuration_file_is_refused() {
        for path in ["relative", "/tmp/with space", "/tmp/semi;colon", &format!("/tmp/{}", "x".repeat(60))] {
            assert!(matches!(Folder::open(Path::new(path)), Err(DebianError::Folder(_))), "{path}");
        }
    }

    #[test]
    fn root_is_number_zero_and_nobody_else_is_invented() {
        assert_eq!(id_in("/etc/passwd", "root").unwrap(), 0);
        assert!(matches!(id_in("/etc/group", "no-such-group"), Err(DebianError::NoUser(_))));
    }
}
