//! Who is in a service's place: its ports, its sockets, its pid file ([R5]).
//!
//! Looks and names; signals nobody. Removes one thing only: a pid file whose process is provably gone or another's.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::proc;
use super::timer;
use crate::desired::Launch;

/// A pid file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    /// The process it names.
    pub(super) pid: i32,
    /// Whether its second line says `init`: the process lives and recovers.
    pub(super) recovering: bool,
}

/// Reads a pid file; none when it is missing, empty or names no process.
pub(super) fn read_pid_file(path: &str) -> Option<PidFile> {
    parse_pid_file(&fs::read_to_string(path).ok()?)
}

pub(super) fn parse_pid_file(text: &str) -> Option<PidFile> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok().filter(|pid| *pid > 0)?;
    let recovering = lines.next().is_some_and(|line| line.trim() == "init");
    Some(PidFile { pid, recovering })
}

/// What a pid file that is not our service's means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none, or it names nobody.
    Free,
    /// Its process is gone, or is younger than the file: nobody is in the way.
    Stale,
    /// A living process that it may well mean.
    Taken(i32),
}

/// Judges the pid file of a service that does not run. Without proof that it is stale, its process is in the place.
pub(super) fn judge_pid_file(path: &str, program: Option<&str>) -> Standing {
    let Some(file) = read_pid_file(path) else { return Standing::Free };
    let Some(stat) = proc::stat(file.pid).filter(proc::Stat::alive) else { return Standing::Stale };
    // A file kept on a volume may name the pid that the agent itself, or a thread of the kernel, has by now.
    if u32::try_from(file.pid) == Ok(std::process::id()) {
        return Standing::Stale;
    }
    let younger = || {
        let written = fs::metadata(path).ok()?.modified().ok()?;
        // A clock that was set between the two moments makes them incomparable, so a second is not proof, and a
        // process that runs the service's own program is believed to be meant whatever the clocks say.
        Some(begun(stat.started)? > written + Duration::from_secs(2))
    };
    let own_program = || {
        let running = proc::program(file.pid)?;
        let declared = Path::new(program?).file_name()?;
        Some(running.file_name()? == declared)
    };
    if younger() == Some(true) && own_program() != Some(true) { Standing::Stale } else { Standing::Taken(file.pid) }
}

/// The wall-clock moment of a start time in clock ticks.
fn begun(ticks: u64) -> Option<SystemTime> {
    // USER_HZ, the unit of /proc, is 100 on every architecture that Linux still has.
    let since_boot = Duration::from_millis(ticks.checked_mul(10)?);
    let age = Duration::from_millis(timer::now().0).saturating_sub(since_boot);
    SystemTime::now().checked_sub(age)
}

/// Removes the pid file where it is provably stale; whether it did.
pub(super) fn clear_pid_file(launch: &Launch) -> bool {
    let Some(path) = &launch.pid_file else { return false };
    judge_pid_file(path, launch.command.first().map(String::as_str)) == Standing::Stale && fs::remove_file(path).is_ok()
}

/// A socket that somebody listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    address: SocketAddr,
    inode: u64,
}

/// The listening sockets of this network namespace, read once for many looks.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    tcp: Vec<Listening>,
    unix: Vec<(String, u64)>,
}

impl Sockets {
    /// Reads them all.
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let tcp = ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(|p| parse_tcp(&text(p))).collect();
        // A socket file may have any bytes for a name.
        let unix = String::from_utf8_lossy(&fs::read("/proc/net/unix").unwrap_or_default()).into_owned();
        Self { tcp, unix: parse_unix(&unix) }
    }

    /// Who is in the place of a service that does not run: `nginx (pid 4711) listens on 127.0.0.1:143`.
    pub(super) fn stranger(&self, launch: &Launch) -> Option<String> {
        for listener in &launch.listeners {
            let wanted = listener.address.as_deref().and_then(|a| a.parse::<IpAddr>().ok());
            let tcp = listener.port.and_then(|port| self.tcp.iter().find(|l| in_the_way(l.address, wanted, port)));
            if let Some(found) = tcp {
                return Some(format!("{} listens on {}", owner(found.inode), found.address));
            }
            let unix = listener.socket.as_ref().and_then(|path| self.unix.iter().find(|(p, _)| p == path));
            if let Some((path, inode)) = unix {
                return Some(format!("{} listens on {path}", owner(*inode)));
            }
        }
        None
    }
}

/// Whether a socket here keeps the service from listening there. Where no address is declared, the service may want
/// any.
fn in_the_way(have: SocketAddr, wanted: Option<IpAddr>, port: u16) -> bool {
    have.port() == port && wanted.is_none_or(|w| w.is_unspecified() || have.ip().is_unspecified() || have.ip() == w)
}

/// Who holds a socket, as far as we may see.
fn owner(inode: u64) -> String {
    let wanted = format!("socket:[{inode}]");
    let holder = proc::everyone().into_iter().find(|pid| {
        fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|fds| {
            fds.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str()))
        })
    });
    match holder {
        Some(pid) => format!("{} (pid {pid})", proc::name(pid)),
        None => "a process that the agent may not look into".to_owned(),
    }
}

/// Addresses are hexadecimal in the machine's byte order, one word of 32 bits at a time; state 0A is LISTEN
/// (`proc_net(5)`).
pub(super) fn parse_tcp(text: &str) -> Vec<Listening> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let (address, port) = fields.next()?.split_once(':')?;
            if fields.nth(1)? != "0A" {
                return None;
            }
            let inode = fields.nth(5)?.parse().ok()?;
            let words = (0..address.len() / 8)
                .map(|n| u32::from_str_radix(address.get(n * 8..n * 8 + 8)?, 16).ok().map(u32::to_ne_bytes))
                .collect::<Option<Vec<_>>>()?;
            let ip = match words.as_slice() {
                [word] => IpAddr::V4(Ipv4Addr::from(*word)),
                [_, _, _, _] => {
                    let bytes: [u8; 16] = words.concat().try_into().ok()?;
                    let six = Ipv6Addr::from(bytes);
                    six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4)
                }
                _ => return None,
            };
            Some(Listening { address: SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?), inode })
        })
        .collect()
}

/// Flag 0x10000 is "accepts connections"; the path is the last field and is missing where there is none.
pub(super) fn parse_unix(text: &str) -> Vec<(String, u64)> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
            let inode = fields.nth(2)?.parse().ok()?;
            let path = fields.next()?;
            (flags & 0x1_0000 != 0 && path.starts_with('/')).then(|| (path.to_owned(), inode))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_line_init_means_that_it_recovers() {
        assert_eq!(parse_pid_file("4711\ninit\n"), Some(PidFile { pid: 4711, recovering: true }));
        assert_eq!(parse_pid_file(" 4711 \nready"), Some(PidFile { pid: 4711, recovering: false }));
        assert_eq!(parse_pid_file("  4711"), Some(PidFile { pid: 4711, recovering: false }));
        for nonsense in ["", "\n", "init", "-1", "0", "99999999999999"] {
            assert_eq!(parse_pid_file(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn listening_sockets_are_read_and_others_are_not() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:008F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0\n\
            1: 0100007F:0090 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0\n";
        let address = "127.0.0.1:143".parse().unwrap();
        assert_eq!(parse_tcp(text), [Listening { address, inode: 4242 }]);
        let six = "h\n 0: 00000000000000000000000000000000:03E1 0:0 0A 0:0 00:0 0 0 0 7 1 0\n\
            1: 0000000000000000FFFF00000100007F:0019 0:0 0A 0:0 00:0 0 0 0 8 1 0\n";
        let read: Vec<String> = parse_tcp(six).iter().map(|l| l.address.to_string()).collect();
        assert_eq!(read, ["[::]:993", "127.0.0.1:25"]);
    }

    #[test]
    fn only_accepting_unix_sockets_with_a_path_count() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000: 00000002 00000000 00010000 0001 01 111 /run/lmtp\n\
            0000: 00000003 00000000 00000000 0001 03 112 /run/lmtp\n\
            0000: 00000002 00000000 00010000 0001 01 113 @abstract\n\
            0000: 00000002 00000000 00010000 0001 01 114\n";
        assert_eq!(parse_unix(text), [("/run/lmtp".to_owned(), 111)]);
    }

    #[test]
    fn r05_a_wildcard_is_in_everybodys_way_and_another_address_is_not() {
        let have = |text: &str| text.parse::<SocketAddr>().unwrap();
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert!(in_the_way(have("0.0.0.0:143"), ip("127.0.0.1"), 143));
        assert!(in_the_way(have("127.0.0.1:143"), None, 143));
        assert!(in_the_way(have("127.0.0.1:143"), ip("0.0.0.0"), 143));
        assert!(!in_the_way(have("127.0.0.1:143"), ip("127.0.0.2"), 143));
        assert!(!in_the_way(have("127.0.0.1:144"), None, 143));
    }

    #[test]
    fn r05_a_pid_file_is_stale_only_with_proof() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let path = path.to_str().unwrap();
        assert_eq!(judge_pid_file(path, None), Standing::Free);
        fs::write(path, "garbage").unwrap();
        assert_eq!(judge_pid_file(path, None), Standing::Free);
        // PID 1 is older than the file: it may be meant.
        fs::write(path, "1\n").unwrap();
        assert_eq!(judge_pid_file(path, None), Standing::Taken(1));
        // The same process, and a file from long before it.
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        assert_eq!(judge_pid_file(path, Some("/usr/sbin/dovecot")), Standing::Stale);
        // No such process: the kernel's highest pid is 2^22.
        fs::write(path, "4194305\n").unwrap();
        assert_eq!(judge_pid_file(path, None), Standing::Stale);
        fs::write(path, format!("{}\n", std::process::id())).unwrap();
        assert_eq!(judge_pid_file(path, None), Standing::Stale);
    }

    #[test]
    fn r05_whoever_listens_is_named_with_pid_and_place() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let listener = crate::desired::Listener {
            address: None,
            port: Some(port),
            socket: None,
            protocol: crate::desired::Protocol::Tcp,
            tls: crate::desired::Tls::None,
            probe: crate::desired::Probe::default(),
        };
        let launch = Launch { listeners: vec![listener], ..Launch::default() };
        let who = Sockets::read().stranger(&launch).unwrap();
        let expected = format!("(pid {}) listens on 127.0.0.1:{port}", std::process::id());
        assert!(who.ends_with(&expected), "{who}");
        drop(socket);
        assert_eq!(Sockets::read().stranger(&launch), None);
    }
}
