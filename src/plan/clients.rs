//! What follows from the failure of a store client ([R9], [R14]): the store group restarts, the client does not.
//!
//! Asked with the service that speaks for the store group; what is known of clients is neither a service nor a standing.

use super::note::{ClientsPart, Note};
use super::reason::Reason;
use super::verdict::answer_for_group;
use super::{Board, Scene, Verdict};
use crate::desired::{GroupIx, Ix};
use crate::policy::{budget, reach};

/// Answers the failure of a client that nobody has answered yet; none where failures are only reported, where it is not
/// this service that speaks, or where the store is on its way down, which ends what the client left behind as well.
pub(crate) fn answer(scene: &Scene<'_>, board: &Board, ix: Ix) -> Option<Verdict> {
    scene.history.clients.failure.as_ref()?;
    let (group, speaker) = reach::store_group(scene.desired)?;
    let acts = scene.desired.watched && scene.desired.autorestart.enabled && !scene.desired.suspended;
    if speaker != ix || !acts || !board.standings[ix.at()].ready {
        return None;
    }
    if !budget::allows_for_clients(&scene.history.clients, &scene.desired.autorestart, scene.now) {
        return Some(Verdict::note(Reason::ClientsGiveUp, Note::ClientsGiveUp));
    }
    Some(answer_for_group(scene, board, group))
}

/// The part of the clients in a restart of this group.
pub(crate) fn part(scene: &Scene<'_>, group: GroupIx) -> ClientsPart {
    let is_theirs = reach::store_group(scene.desired).is_some_and(|(theirs, _)| theirs == group);
    if !is_theirs || scene.history.clients.failure.is_none() {
        ClientsPart::None
    } else if budget::allows_for_clients(&scene.history.clients, &scene.desired.autorestart, scene.now) {
        ClientsPart::Charged
    } else {
        ClientsPart::GivesUp
    }
}
