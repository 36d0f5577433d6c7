//! A mail server from `kubectl apply` to a message that was read.

use crate::parts::{dovecot_and_postfix, receive, send};
use crate::server::{Server, says};

#[test]
fn r25_the_sample_is_applied_becomes_ready_and_takes_a_message_by_smtp_and_gives_it_by_imap_through_its_service() {
    let server = Server::new("mail");
    server.apply(&dovecot_and_postfix(&server));
    let object = server.ready();
    assert!(says(&object, "WorkloadCurrent", "True", "Current"), "{object:#}");
    assert!(says(&object, "Degraded", "False", "None"), "{object:#}");
    let address = server.address();
    send(&address, "by way of the Service");
    receive(&address, "by way of the Service");
    assert_eq!(server.container_restarts(), 0);
}
