//! `install`: the running binary becomes a file in a folder, with the names that are commands of their own beside it. The
//! operator brings the agent into any image that way.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::NAMES;
use super::args::Install;
use super::failure::{CANNOT_CREATE, Failure, OK};

/// Copies the running binary into the folder.
pub(crate) fn install(said: &Install) -> Result<u8, Failure> {
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(CANNOT_CREATE, format!("{} cannot be written: {error}", path.display()))
    };
    let program = said.folder.join("mailward");
    copy(&program).map_err(|error| failed(&program, &error))?;
    for name in NAMES {
        let path = said.folder.join(name);
        link(&path).map_err(|error| failed(&path, &error))?;
    }
    Ok(OK)
}

/// Whole or not at all: whoever starts it meanwhile gets the old one or the new one.
fn copy(program: &Path) -> io::Result<()> {
    if let Some(folder) = program.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = beside(program);
    // The kernel's own way to the program: its file may have been replaced since.
    fs::copy("/proc/self/exe", &new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o555))?;
    fs::rename(&new, program)
}

fn link(path: &Path) -> io::Result<()> {
    let new = beside(path);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    symlink("mailward", &new)?;
    fs::rename(&new, path)
}

/// Where it is made before it takes its place.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r26_the_binary_is_installed_read_only_with_every_name_and_again_over_itself() {
        let folder = tempfile::tempdir().unwrap();
        let said = Install { folder: folder.path().join("opt/mailward") };
        for round in 0..2 {
            assert_eq!(install(&said).unwrap(), OK, "round {round}");
            let program = said.folder.join("mailward");
            assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o555);
            assert_eq!(fs::read(&program).unwrap(), fs::read("/proc/self/exe").unwrap());
            for name in NAMES {
                assert_eq!(fs::read_link(said.folder.join(name)).unwrap(), Path::new("mailward"));
            }
            assert_eq!(fs::read_dir(&said.folder).unwrap().count(), 1 + NAMES.len(), "nothing else is left");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let failure = install(&Install { folder: "/proc/nothing".into() }).unwrap_err();
        assert!(failure.code == CANNOT_CREATE && failure.words.contains("/proc/nothing"), "{failure:?}");
    }
}
