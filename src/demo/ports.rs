//! Free loopback ports.

use std::io;
use std::net::TcpListener;

/// `count` different TCP ports that were free on 127.0.0.1 a moment ago. All are held open until all are known, so no
/// two are equal; another program may still take one before its service does.
///
/// # Errors
/// What bind(2) reports when the machine has none left.
pub fn pick_free_ports(count: usize) -> io::Result<Vec<u16>> {
    let held = (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<io::Result<Vec<_>>>()?;
    held.iter().map(|listener| listener.local_addr().map(|address| address.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picked_ports_differ_and_can_be_bound() {
        let ports = pick_free_ports(20).unwrap();
        let unique: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(unique.len(), 20);
        let bound = ports.iter().filter(|port| TcpListener::bind(("127.0.0.1", **port)).is_ok()).count();
        assert!(bound > 0, "none of {ports:?} could be bound");
    }
}
