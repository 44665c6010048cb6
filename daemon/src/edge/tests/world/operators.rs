//! Owns the commands of operators in the test bench: actions, commands about users, notices, shutdown and listings. Called
//! by the tests. Never runs a turn itself: `world` does.

use super::super::*;
use super::World;
use crate::edge::Command;
use tcp_chat_protocol::Action;
use tcp_chat_protocol::reply::ActReply;

impl World {
    /// Changes the state between two turns.
    pub(in crate::edge::tests) fn operator(&mut self, act: impl FnOnce(&mut State)) {
        self.state.set_departures_per_turn(self.slice.rooms);
        self.state.begin(self.now.wall);
        act(&mut self.state);
        self.state.seal();
        self.begin();
        self.finish();
    }

    /// An operator sends a notice to all.
    pub(in crate::edge::tests) fn says_to_all(&mut self, msg: &str) {
        self.begin();
        self.edge.say_to_all(&self.state, msg);
        self.finish();
    }

    /// The daemon ends.
    pub(in crate::edge::tests) fn shuts_down(&mut self) {
        self.begin();
        self.edge.shutdown(&self.state);
        self.finish();
    }

    /// The whole listing, page by page.
    pub(in crate::edge::tests) fn sees(&self, at: Listing) -> Vec<Row> {
        let mut page = self.page(at, &Cursor::default());
        let mut rows = page.rows;
        while let Some(next) = page.next {
            page = self.page(at, &next);
            rows.append(&mut page.rows);
        }
        rows
    }

    fn page(&self, at: Listing, from: &Cursor) -> Page {
        self.state.list(at, from, &self.edge)
    }

    /// An operator sends the action of that request.
    pub(in crate::edge::tests) fn operates(&mut self, line: &str) -> Result<ActReply, ErrorKind> {
        let Command::Ask(_, Ask::Action(action)) = self.command(line) else { panic!("{line}") };
        self.acts(*action)
    }

    pub(in crate::edge::tests) fn acts(&mut self, action: Action) -> Result<ActReply, ErrorKind> {
        self.begin();
        let past = self.disk.past(State::redacts(&action).map(Sought::Message));
        let done = self.edge.check_action(&action).and_then(|()| {
            let at = self.edge.propose(Intent::OperatorAction(0, Box::new(action), past));
            self.finish();
            self.results.swap_remove(at)
        });
        match done.map_err(|refusal| refusal.kind)? {
            Done::Acted(reply) => Ok(*reply),
            other => panic!("{other:?}"),
        }
    }

    /// An operator sends a command about a user.
    pub(in crate::edge::tests) fn commands(
        &mut self,
        command: UserCommand,
    ) -> Result<usize, UserCommandError> {
        self.begin();
        self.edge.check_user_command()?;
        let at = self.edge.propose(Intent::ChangeUser(0, command));
        self.finish();
        match self.results.swap_remove(at) {
            Ok(Done::UserChanged(done)) => *done,
            other => panic!("{other:?}"),
        }
    }
}
