//! Owns how a request names a user: by the exact name. A user whose name only looks the same is named in the refusal,
//! and never taken for the named one. Called by the ops and by the queries. Never changes anything.

use crate::{Refusal, State, UserId, refusal};
use tcp_chat_protocol::request::Place;
use tcp_chat_protocol::{ErrorKind, Name, NameError};

impl State {
    /// A user, here or registered, and the name as that user has it.
    pub(crate) fn user(&self, place: &Place) -> Result<(UserId, Name), Refusal> {
        let name = place.0.as_ref().ok_or_else(|| no_such_user(place))?;
        if let Some(user) = self.users.by_name(name) {
            return Ok((user.id, user.name.clone()));
        }
        let here = self.sessions.by_name(name).and_then(|user| self.sessions.first_of(user));
        here.map(|held| (held.row.user, held.row.name.clone())).ok_or_else(|| match self.user_alike(name) {
            Some(twin) => only_looks_like(name, &twin),
            None => no_such_user(place),
        })
    }

    /// The refusal to remove an entry that a user does not have. It names a look-alike.
    pub(crate) fn has_nothing(&self, user: &Name, what: &str) -> Refusal {
        let mut msg = format!("{user} {what}");
        if let Some(twin) = self.user_alike(user) {
            msg.push_str(&format!(": {twin} only looks the same"));
        }
        refusal(ErrorKind::NoSuchUser, msg)
    }

    /// Another user, logged in or registered, whose name looks like this one.
    pub(crate) fn user_alike(&self, name: &Name) -> Option<Name> {
        let registered = self.users.twin(name).map(|user| user.name.clone());
        let here = || Some(self.sessions.first_of(self.sessions.twin(name)?)?.row.name.clone());
        registered.or_else(here).filter(|twin| twin.key() != name.key())
    }

    /// Is a name clear that may not belong to a user yet? Not if only a look-alike exists.
    ///
    /// # Errors
    /// It is not clear, or the name stands for an erased user.
    pub(crate) fn is_meant(&self, name: &Name) -> Result<(), Refusal> {
        if name.is_reserved() && self.users.by_name(name).is_none() {
            return Err(refusal(ErrorKind::NoSuchUser, format!("{name}: {}", NameError::Reserved)));
        }
        match self.user_alike(name) {
            Some(twin) if self.user(&Place(Some(name.clone()))).is_err() => Err(only_looks_like(name, &twin)),
            _ => Ok(()),
        }
    }
}

pub(crate) fn only_looks_like(name: &Name, twin: &Name) -> Refusal {
    refusal(ErrorKind::NoSuchUser, format!("nobody called {name} is here: {twin} only looks the same"))
}

pub(crate) fn no_such_user(place: &Place) -> Refusal {
    refusal(
        ErrorKind::NoSuchUser,
        match &place.0 {
            Some(name) => format!("nobody called {name} is here"),
            None => "nobody can have that name".to_owned(),
        },
    )
}
