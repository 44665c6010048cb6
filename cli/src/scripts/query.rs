//! Owns the verbs that send one query: `history`, `search`, `who`, `rooms`. Called by `scripts`. Never stays
//! connected.

use super::{Ends, Script, all, print_stored, style, while_read};
use crate::args::{History, Search};
use crate::connect::Before;
use crate::exit::{Exit, Failure};
use crate::output::{self, Stop, say};
use crate::settings::Settings;
use crate::worker::{member_line, room_line};
use std::collections::VecDeque;
use tcp_chat_client::protocol::{MsgEvent, Seq};
use tcp_chat_client::{Conversation, Page, Query, Session};

const LATE: &str = "no answer in time";
/// The largest pages of the wire.
pub(super) const HISTORY_PAGE: usize = 500;
const SEARCH_PAGE: usize = 100;

fn at_most(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The room of the query: the first given one, or the server's first.
fn room(settings: &Settings, session: &Session) -> Result<String, Failure> {
    let room = settings.rooms.first().cloned().or_else(|| session.login().rooms.first().cloned());
    room.ok_or_else(|| {
        Failure::new(Exit::Refused, "the server has put this session into no room: give --room ROOM")
    })
}

/// The conversation of `history`.
pub(super) fn conversation(
    settings: &Settings,
    session: &Session,
    args: &History,
) -> Result<Conversation, Failure> {
    match &args.with {
        Some(user) => Ok(Conversation::With(user.clone())),
        None => room(settings, session).map(Conversation::Room),
    }
}

pub(super) async fn history(settings: &Settings, args: History) -> Result<(), Stop> {
    if args.all {
        return all::all(settings, args).await;
    }
    let Script { session, events: _events, until } =
        Script::open(settings, Before::default(), Ends::Soon).await?;
    let style = style(settings);
    let work = async {
        let of = conversation(settings, &session, &args)?;
        let mut left = at_most(args.limit);
        if args.after.is_some() && args.before.is_none() {
            // Forwards: each page is printed at once.
            let mut after = args.after;
            while left > 0 {
                let page = Page { before: None, after, limit: Some(left.min(HISTORY_PAGE)) };
                let reply = session.history(&of, &page).await?;
                left -= reply.messages.len().min(left);
                after = reply.messages.last().map(|m| m.seq);
                for message in &reply.messages {
                    print_stored(settings, &style, message)?;
                }
                if !reply.more || after.is_none() {
                    break;
                }
            }
            return Ok(());
        }
        // Backwards from the newest: the pages are collected, then printed in order.
        let mut found: VecDeque<MsgEvent<'static>> = VecDeque::new();
        let mut before = args.before;
        while left > 0 {
            let page = Page { before, after: args.after, limit: Some(left.min(HISTORY_PAGE)) };
            let reply = session.history(&of, &page).await?;
            left -= reply.messages.len().min(left);
            before = reply.messages.first().map(|m| m.seq);
            for message in reply.messages.into_iter().rev() {
                found.push_front(message);
            }
            if !reply.more || before.is_none() {
                break;
            }
        }
        found.iter().try_for_each(|message| print_stored(settings, &style, message))
    };
    Script::within(settings, &session, until, LATE, while_read(work)).await
}

pub(super) async fn search(settings: &Settings, args: Search) -> Result<(), Stop> {
    let Script { session, events: _events, until } =
        Script::open(settings, Before::default(), Ends::Soon).await?;
    let style = style(settings);
    let work = async {
        let (mut left, mut before) = (at_most(args.limit), args.before);
        let mut not_indexed = None;
        while left > 0 {
            let query = Query {
                query: args.query.join(" "),
                room: settings.rooms.first().cloned(),
                user: args.user.clone(),
                before,
                after: args.after,
                limit: Some(left.min(SEARCH_PAGE)),
            };
            let reply = session.search(&query).await?;
            // The newest messages are missing from the first page; the index may have them at the next one.
            not_indexed = not_indexed.or(reply.not_indexed());
            left -= reply.messages.len().min(left);
            before = reply.messages.last().map(|found| found.message.seq);
            for found in &reply.messages {
                if settings.json {
                    output::json(found)?;
                } else {
                    print_stored(settings, &style, &found.message)?;
                }
            }
            if !reply.more || before.is_none() {
                break;
            }
        }
        // Messages that the search was not to look at are not missing from it.
        let last = args.before.map_or(Seq::MAX, |before| before.saturating_sub(1));
        let not_indexed =
            not_indexed.map(|(after, to)| (after, to.min(last))).filter(|(after, to)| after < to);
        if let Some((after, to)) = not_indexed {
            if settings.json {
                output::json(&serde_json::json!({"not_indexed": {"after": after, "to": to}}))?;
            }
            say(&output::not_indexed((after, to)));
        }
        Ok(())
    };
    Script::within(settings, &session, until, LATE, while_read(work)).await
}

pub(super) async fn who(settings: &Settings) -> Result<(), Stop> {
    let Script { session, events: _events, until } =
        Script::open(settings, Before::default(), Ends::Soon).await?;
    let style = style(settings);
    let work = async {
        let who = session.who(settings.rooms.first().map(String::as_str)).await?;
        for member in &who.members {
            if settings.json {
                output::json(member)?;
            } else {
                output::data(&member_line(&style, member))?;
            }
        }
        let more = who.member_count.saturating_sub(who.members.len());
        if more > 0 {
            say(&format!("and {more} more"));
        }
        Ok(())
    };
    Script::within(settings, &session, until, LATE, while_read(work)).await
}

pub(super) async fn rooms(settings: &Settings) -> Result<(), Stop> {
    let Script { session, events: _events, until } =
        Script::open(settings, Before::default(), Ends::Soon).await?;
    let work = async {
        for room in session.rooms().await? {
            if settings.json {
                output::json(&room)?;
            } else {
                output::data(&room_line(&room))?;
            }
        }
        Ok(())
    };
    Script::within(settings, &session, until, LATE, while_read(work)).await
}
