//! Owns which session of the webhook a post uses. Several nodes of a chat share one for the posts that may come again at another
//! node: a node takes it over when it has such a post, so the ids of all are of one session, and the state keeps each message
//! once. For other posts each node has a session of its own, so that the nodes do not wait for each other. Called by
//! [`super::webhook`]. Never reads HTTP.

use super::outcome::{IdScope, PostResult};
use super::session::WebhookSession;
use crate::auth;
use crate::net::Gate;
use tcp_chat_protocol::{Name, RequestId};
use tcp_chat_state::{Digest, NodeId};
use tokio_util::sync::CancellationToken;

/// The handle of the sessions of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct WebhookSessions {
    /// For posts that are never sent again.
    own: WebhookSession,
    /// For posts that may come again, perhaps at another node. A daemon that is alone has one session for both.
    shared: WebhookSession,
}

impl WebhookSessions {
    /// Starts the sessions, and the tasks that own them.
    pub(super) fn start(
        gate: &Gate,
        node: NodeId,
        name: &Name,
        token: &Digest,
        stop: &CancellationToken,
    ) -> Self {
        let start = |of, shared_by| {
            let hash = session_hash(of, name, token);
            WebhookSession::start(gate.clone(), hash, shared_by, name.clone(), stop.clone())
        };
        // The session of a daemon that was alone becomes the shared one of its cluster: its keys stay known.
        match node {
            NodeId::LOCAL => {
                let own = start(node, None);
                Self { shared: own.clone(), own }
            }
            _ => Self { own: start(node, None), shared: start(NodeId::LOCAL, Some(node)) },
        }
    }

    /// Posts a message to a room, and waits until it is kept or refused.
    pub(super) async fn post(&self, room: Name, id: RequestId, scope: IdScope, json: Box<str>) -> PostResult {
        let session = if scope == IdScope::Nothing { &self.own } else { &self.shared };
        session.post(room, id, scope, json).await
    }
}

/// The hash by which a session is resumed. No token on the wire has this hash: a token has 32 bytes, and the
/// input of this hash has more. The own session of each node has its number in it. That of a daemon that is alone, and the one
/// that nodes share, have the hash of earlier versions.
fn session_hash(node: NodeId, name: &Name, token: &Digest) -> [u8; 32] {
    let mut of = b"tcp-chatd: the session of the HTTP endpoint\0".to_vec();
    of.extend_from_slice(name.as_str().as_bytes());
    of.push(0);
    of.extend_from_slice(&token.0);
    if node != NodeId::LOCAL {
        of.extend_from_slice(&node.0.to_be_bytes());
    }
    auth::sha256(&of).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_a_session_of_its_own_and_a_lone_daemon_that_of_earlier_versions() {
        let (name, token) = (Name::parse("alerts").unwrap(), Digest([7; 32]));
        let hash = |node| session_hash(NodeId(node), &name, &token);
        let earlier = [&b"tcp-chatd: the session of the HTTP endpoint\0alerts\0"[..], &[7; 32]].concat();
        assert_eq!(hash(0), auth::sha256(&earlier).0);
        let all: std::collections::BTreeSet<_> = [0, 1, 2, 256].map(hash).into();
        assert_eq!(all.len(), 4);
    }
}
