//! The node is taken out of service and comes back.

use crate::kubectl::Cluster;
use crate::parts::{book, writers};
use crate::server::Server;

const NODE: &str = "node0";

/// The node takes pods again with the end of this, in a test that fails too.
struct Drained<'a>(&'a Cluster);

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        eprintln!("{}", self.0.hearsay(&["uncordon", NODE]));
    }
}

#[test]
fn r29_a_drained_node_stops_its_mail_server_in_order_and_it_is_ready_again_when_the_node_is_back() {
    let server = Server::alone("drained");
    server.apply(&writers());
    server.ready();
    let (uid, length) = (server.uid(), book(&server).len());
    // One pod has no disruption budget: that would let nobody drain its node. The operator has to go too.
    let budgets = server.namespace.kubectl(&["get", "poddisruptionbudgets", "--all-namespaces", "-o", "name"]);
    assert_eq!(budgets, "");
    let drained = Drained(&server.namespace);
    let all = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=170s"];
    drained.0.kubectl(&[&["drain", NODE][..], &all].concat());
    assert_eq!(book(&server)[length..], ["-c", "-b", "-a"]);
    server.namespace.until("pod", &server.pod(), |pod| pod["status"]["phase"] == "Pending");
    drop(drained);
    server.another_pod(&uid);
    server.ready();
    assert_eq!(book(&server)[length + 3..], ["+a", "+b", "+c"]);
}
