//! Owns what the chat asks of the store: what was sent before. Called in a turn. Never writes.

use crate::chat::{ConversationId, Past, PastUnknown, SessionId};
use crate::log;
use crate::store::Store;
use tcp_chat_protocol::{RequestId, Seq};
use tracing::error;

/// The store, as the chat asks it.
pub(super) struct Sent<'a>(pub(super) &'a mut Store);

impl Past for Sent<'_> {
    fn sent(
        &mut self,
        session: SessionId,
        id: &RequestId,
    ) -> Result<Option<(ConversationId, Seq)>, PastUnknown> {
        self.0.sent(session, id).map_err(|why| {
            if log::has_room() {
                error!(
                    event = "store_unreadable",
                    error = why.to_string(),
                    "store failed: it could not be read"
                );
            }
            PastUnknown
        })
    }
}
