//! The agent in favour of its successor: the process goes on as the program that is installed now (DESIGN, part 5).
//!
//! Whatever is known of the services is in the journal, and they are adopted as after any other end of an agent; but
//! being the same process, their parent learns how each of them ends.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::run::own_program;

/// The program to go on as.
///
/// # Errors
/// There is none, in words: whoever asked is told, and nothing changes.
pub(super) fn program() -> Result<PathBuf, String> {
    let program = own_program().ok_or("the kernel does not say which program this is; is /proc mounted?")?;
    executable(&program)?;
    Ok(program)
}

fn executable(program: &Path) -> Result<(), String> {
    let shown = program.display();
    if !program.is_file() {
        return Err(format!("there is no program {shown} to go on as: install it there first"));
    }
    access(program, Access::EXEC_OK).map_err(|error| format!("{shown} cannot be executed: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_no_program_is_refused_before_anything_is_given_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mailward");
        assert!(executable(&path).unwrap_err().contains("there is no program"));
        assert!(executable(folder.path()).unwrap_err().contains("there is no program"));
        fs::write(&path, "#!/bin/sh\n").expect("it is written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its mode is set");
        assert!(executable(&path).unwrap_err().contains("cannot be executed"));
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("its mode is set");
        assert_eq!(executable(&path), Ok(()));
    }
}
