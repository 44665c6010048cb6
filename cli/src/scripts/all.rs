//! Owns `history --all`: every message of a conversation that this user may read, oldest first. Called by `query`. Never
//! holds more than one page.

use super::{Ends, Script, query, style, while_read};
use crate::args::History;
use crate::connect::Before;
use crate::neutralise;
use crate::output::{self, Stop};
use crate::settings::Settings;
use crate::style::Style;
use std::io;
use tcp_chat_client::protocol::MsgEvent;
use tcp_chat_client::{Page, Session};
use tcp_chat_progress::{Progress, Shown, thousands};

/// Prints all messages between `--after` and `--before`, page by page. It ends with the newest message.
pub(super) async fn all(settings: &Settings, args: History) -> Result<(), Stop> {
    // As long as pages come, it goes on: each request has its own timeout.
    let Script { session, events: _events, until } =
        Script::open(settings, Before::default(), Ends::Never).await?;
    let late = "the time of --timeout is over, and there are more messages";
    Script::within(settings, &session, until, late, while_read(pages(settings, &session, &args))).await
}

async fn pages(settings: &Settings, session: &Session, args: &History) -> Result<(), Stop> {
    let style = style(settings);
    let of = query::conversation(settings, session, args)?;
    let mut progress = Progress::new(Shown::WithoutOutput);
    // With `after` a page begins with the oldest message.
    let (mut after, mut count) = (args.after.unwrap_or(0), 0_u64);
    loop {
        let page = Page { before: args.before, after: Some(after), limit: Some(query::HISTORY_PAGE) };
        let reply = session.history(&of, &page).await?;
        let Some(last) = reply.messages.last().map(|message| message.seq) else { return Ok(()) };
        print(settings, &style, &reply.messages)?;
        (after, count) = (last, count + reply.messages.len() as u64);
        progress.show(|| format!("{} messages, up to number {after}", thousands(count)));
        if !reply.more {
            return Ok(());
        }
    }
}

/// Prints a page with one write.
fn print(settings: &Settings, style: &Style, messages: &[MsgEvent<'_>]) -> Result<(), Stop> {
    let line = |message: &MsgEvent<'_>| {
        if !settings.json {
            return Ok(style.stored(message));
        }
        serde_json::to_string(message).map(|text| neutralise::json(&text)).map_err(io::Error::from)
    };
    let lines = messages.iter().map(line).collect::<io::Result<Vec<_>>>()?;
    output::data(&lines.join("\n"))
}
