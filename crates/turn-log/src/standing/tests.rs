use super::*;
use crate::body::{Behaviours, Hello};
use crate::entry::{Claim, Digest, Generation, Header, Kind};

const ME: NodeId = NodeId(0);

/// Nodes 0, 1, 2, ... in their first epoch, started at these positions.
fn members(since: &[u64]) -> Members {
    let hello = Hello { behaviours: Behaviours { oldest: 1, newest: 1 }, details: vec![] };
    let mut members = Members::default();
    for (node, since) in (0..).map(NodeId).zip(since) {
        let generation = Generation { number: 1, tag: 1 };
        let claim = Claim { applied: 0, digest: Digest::default() };
        let header = Header { kind: Kind::NodeUp, behaviour: 0, generation, node, epoch: 1, n: 0, claim };
        members.open(&header, hello.clone(), *since);
    }
    members
}

fn standing(since: &[u64], voices: &[(u32, Compared)]) -> Standing {
    let mut said = Voices::default();
    for (node, compared) in voices {
        said.note(NodeId(*node), 1, *compared);
    }
    said.standing(ME, &members(since))
}

#[test]
fn the_side_with_most_nodes_goes_on() {
    use Compared::{OtherLog, OtherState, Same, TooOld};
    let three = &[1, 2, 3];
    for (voices, wanted) in [
        (&[][..], Standing::Agrees),
        (&[(1, Same), (2, Same)], Standing::Agrees),
        (&[(1, OtherState), (2, Same)], Standing::Agrees),
        (&[(1, OtherState)], Standing::Suspect),
        (&[(1, OtherState), (2, TooOld)], Standing::Suspect),
        (&[(1, OtherState), (2, OtherState)], Standing::Diverged),
        (&[(1, OtherLog)], Standing::Suspect),
        (&[(1, OtherLog), (2, Same)], Standing::Agrees),
        (&[(1, OtherLog), (2, OtherLog)], Standing::OtherLog),
        (&[(1, OtherLog), (2, OtherState)], Standing::OtherLog),
    ] {
        assert_eq!(standing(three, voices), wanted, "{voices:?}");
    }
}

#[test]
fn of_two_equal_sides_the_older_one_goes_on_if_they_read_one_log() {
    use Compared::{OtherLog, OtherState};
    assert_eq!(standing(&[1, 2], &[(1, OtherState)]), Standing::Agrees);
    assert_eq!(standing(&[2, 1], &[(1, OtherState)]), Standing::Diverged);
    assert_eq!(standing(&[1, 2], &[(1, OtherLog)]), Standing::OtherLog);
    assert_eq!(standing(&[2, 1], &[(1, OtherLog)]), Standing::OtherLog);
}

#[test]
fn a_node_that_lives_only_in_another_log_has_a_voice() {
    // Node 1 never started, as far as this node has read.
    assert_eq!(standing(&[1], &[(1, Compared::OtherLog)]), Standing::OtherLog);
    assert_eq!(standing(&[1], &[(1, Compared::OtherState)]), Standing::Agrees);
}

#[test]
fn a_claim_of_an_older_epoch_is_no_voice() {
    let mut said = Voices::default();
    said.note(NodeId(1), 7, Compared::OtherState);
    assert_eq!(said.standing(ME, &members(&[2, 1])), Standing::Agrees);
}
