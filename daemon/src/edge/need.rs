//! Owns [`Need`]: how many sessions and rooms a request can use. Called by the admission of requests. Never counts those
//! that exist: [`super::networks`] does.

use super::ask::Ask;
use tcp_chat_protocol::request::Login;

/// A number of sessions and a number of rooms: those that a request can use at most, those that a network has reserved in
/// this turn, or those that it may still have. `usize::MAX`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Need {
    pub(super) sessions: usize,
    pub(super) rooms: usize,
}

impl Need {
    /// No limit.
    pub(super) const UNLIMITED: Self = Self { sessions: usize::MAX, rooms: usize::MAX };
    /// That of a JOIN.
    pub(super) const ONE_ROOM: Self = Self { sessions: 0, rooms: 1 };

    /// That of a request.
    pub(super) fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Login(ask) => Self::of_login(&ask.login),
            Ask::Join(_) => Self::ONE_ROOM,
            _ => Self::default(),
        }
    }

    /// That of a LOGIN.
    pub(super) fn of_login(login: &Login) -> Self {
        match login {
            Login { session: Some(_), .. } => Self::default(),
            Login { rooms, .. } => Self { sessions: 1, rooms: rooms.as_ref().map_or(0, Vec::len) },
        }
    }

    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// Is a request with this need refused in any case, because its network may have no further session? Then it needs no
    /// reservation.
    pub(super) fn is_refused(self, left: Self) -> bool {
        self.sessions > 0 && left.sessions == 0
    }

    /// Must a request with this need wait for the next turn, because too few are left after the reserved ones? If none is
    /// left at all, waiting does not help.
    pub(super) fn must_wait(self, left: Self, reserved: Self) -> bool {
        let is_short = |need: usize, left: usize, reserved| left > 0 && left.saturating_sub(reserved) < need;
        is_short(self.sessions, left.sessions, reserved.sessions)
            || is_short(self.rooms, left.rooms, reserved.rooms)
    }

    /// Both together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { sessions: self.sessions + other.sessions, rooms: self.rooms + other.rooms }
    }

    /// What is left after the reserved ones. No limit stays no limit.
    pub(super) fn saturating_sub(self, reserved: Self) -> Self {
        let sub =
            |left: usize, reserved| if left == usize::MAX { left } else { left.saturating_sub(reserved) };
        Self { sessions: sub(self.sessions, reserved.sessions), rooms: sub(self.rooms, reserved.rooms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(sessions: usize, rooms: usize) -> Need {
        Need { sessions, rooms }
    }

    #[test]
    fn a_request_waits_only_for_reserved_ones_and_never_for_what_nobody_can_have() {
        let login = need(1, 2);
        assert!(!login.must_wait(need(5, 5), need(4, 3)), "enough is left for it");
        assert!(login.must_wait(need(5, 5), need(5, 0)) && login.must_wait(need(5, 5), need(0, 4)));
        assert!(
            !login.must_wait(need(0, 0), need(1, 1)),
            "nothing is left, and the next turn has nothing either"
        );
        assert!(login.is_refused(need(0, 5)) && !Need::ONE_ROOM.is_refused(need(0, 5)));
        assert_eq!(need(3, 1).saturating_sub(login), need(2, 0));
        assert_eq!(Need::UNLIMITED.saturating_sub(login), Need::UNLIMITED);
    }
}
