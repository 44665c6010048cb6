//! Owns what KICK, MUTE and BAN share: the scope, the right to moderate a user there, and the penalty as it is stored.
//! Called by these ops. Never carries one out.

use crate::permissions::authorize::Permission;
use crate::permissions::checks::Actor;
use crate::permissions::records::Penalty;
use crate::{Refusal, Scope, State};
use tcp_chat_protocol::request::Against;

impl State {
    /// The scope of an action against a user, if the actor may moderate that user there.
    pub(crate) fn moderates(&self, actor: Actor, against: &Against) -> Result<Scope, Refusal> {
        let scope = self.scope(actor, against.room.as_ref())?;
        self.allow(actor, scope, Permission::Moderate(self.rank_of(scope, &against.target)))?;
        Ok(scope)
    }

    /// A mute or a ban, as it is stored.
    pub(crate) fn penalty<T>(
        &self,
        actor: Actor,
        scope: Scope,
        against: &Against<T>,
    ) -> Result<Penalty, Refusal> {
        self.ensure_quota_left(actor, scope)?;
        let since = self.turn.time();
        let until = against.for_s.map(|s| since.saturating_add(s.saturating_mul(1000)));
        let by = self.by(actor).map(|by| by.to_string()).unwrap_or_default();
        Ok(Penalty { until, reason: against.reason.as_str().into(), by: by.into(), since, share: None })
    }
}

pub(crate) fn until(penalty: Option<&Penalty>) -> Option<u64> {
    penalty.and_then(|penalty| penalty.until)
}
