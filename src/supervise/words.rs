//! Why a command could not be started, in words with a cure.
//!
//! The kernel gives a number that means several things (ENOENT: no file, or no interpreter); this looks at the file to
//! tell which.

use std::fs;
use std::io::{Error, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::birth::{Stage, Stillborn};
use super::order::Order;

/// One sentence: what could not be done, why, what to do.
pub(super) fn explain(order: &Order, failure: Stillborn) -> String {
    let why = message(failure.errno);
    let user = &order.about.user;
    match failure.stage {
        Stage::Clone => format!("no process could be made: {why}; look at the limits on processes and memory"),
        Stage::Descriptors => format!("the agent's open files could not be left behind: {why}"),
        Stage::Null => format!("/dev/null cannot be opened: {why}; create it (mknod /dev/null c 1 3)"),
        Stage::Output => {
            let path = order.birth.output.to_string_lossy();
            format!("its output pipe {path} cannot be opened: {why}; is the runtime folder still there?")
        }
        Stage::Session => format!("it cannot have a session of its own: {why}"),
        Stage::Gate => "it was not wanted after all".to_owned(),
        Stage::Groups | Stage::Group | Stage::User if failure.errno == libc::EPERM => {
            format!("it cannot run as user {user}: the agent does not run as root; start it as root or drop `user`")
        }
        Stage::Groups | Stage::Group | Stage::User => format!("it cannot run as user {user}: {why}"),
        Stage::Directory => {
            let path = order.birth.directory.to_string_lossy();
            format!("user {user} cannot enter the working directory {path}: {why}; correct `workingDirectory`")
        }
        Stage::Exec => exec(order, failure),
    }
}

fn exec(order: &Order, failure: Stillborn) -> String {
    let declared = &order.about.program;
    let user = &order.about.user;
    let path =
        order.birth.candidates.get(failure.candidate).map(|c| Path::new(std::ffi::OsStr::from_bytes(c.as_bytes())));
    let Some(path) = path else {
        return format!("`{declared}` cannot be run: {}", message(failure.errno));
    };
    // A relative path is relative to the service's directory.
    let directory = Path::new(std::ffi::OsStr::from_bytes(order.birth.directory.as_bytes()));
    let path = directory.join(path);
    let shown = path.display();
    match failure.errno {
        libc::ENOENT if !declared.contains('/') && !path.exists() => {
            let searched = &order.about.path;
            format!("`{declared}` is in no directory of PATH ({searched}); install it, or write its full path")
        }
        libc::ENOENT | libc::ENOTDIR if !path.exists() => {
            format!("{shown} does not exist; install it, or correct `command`")
        }
        libc::ENOENT => match interpreter(&path) {
            Some(interpreter) => format!(
                "{shown} asks in its first line for the interpreter {interpreter}, which does not exist; install it, or \
                 correct that line"
            ),
            None => format!("{shown} needs a loader that this system lacks; was it built for another system?"),
        },
        libc::EACCES => refused(&path, user),
        libc::ENOEXEC => {
            format!("{shown} is neither a program for this machine nor a script that begins with `#!`")
        }
        libc::ETXTBSY => format!("{shown} is being written; wait for the installation to end"),
        errno => format!("{shown} cannot be run: {}", message(errno)),
    }
}

fn refused(path: &Path, user: &str) -> String {
    let shown = path.display();
    let Ok(about) = fs::metadata(path) else {
        return format!("user {user} may not reach {shown}; look at the permissions of its folders");
    };
    if about.is_dir() {
        return format!("{shown} is a directory; name the program in it");
    }
    if !about.is_file() {
        return format!("{shown} is not a file that can be run");
    }
    if about.permissions().mode() & 0o111 == 0 {
        return format!("{shown} is not executable; chmod +x it");
    }
    if let Some(interpreter) = interpreter(path) {
        match fs::metadata(&interpreter) {
            Ok(about) if about.is_dir() => {
                return format!(
                    "{shown} asks in its first line for the interpreter {interpreter}, which is a directory"
                );
            }
            Ok(about) if about.permissions().mode() & 0o111 == 0 => {
                return format!(
                    "{shown} asks in its first line for the interpreter {interpreter}, which is not executable"
                );
            }
            Ok(_) | Err(_) => {}
        }
    }
    format!("user {user} may not run {shown}; look at its permissions and at the mount option noexec")
}

/// What the first line of a script asks for.
fn interpreter(path: &Path) -> Option<String> {
    let mut head = [0u8; 256];
    let mut file = fs::File::open(path).ok()?;
    let length = file.read(&mut head).ok()?;
    let line = head.get(..length)?.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    // A script written elsewhere ends its lines with a carriage return, which is then part of the name; show it.
    line.split([' ', '\t']).find(|word| !word.is_empty()).map(|word| word.replace('\r', "\\r"))
}

/// The system's words for an error number.
pub(super) fn message(errno: i32) -> String {
    let text = Error::from_raw_os_error(errno).to_string();
    match text.rfind(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
