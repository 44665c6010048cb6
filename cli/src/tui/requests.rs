//! Owns the requests of the model to the server: each in its own task, messages one after another, answers
//! through a bounded queue. Called by `shell`. Never touches the screen.

use super::model::{Answer, Effect, Part};
use tcp_chat_client::protocol::reply::ActReply;
use tcp_chat_client::{Action, Conversation, Error, Page, Query, Session, To};
use tokio::sync::mpsc;

/// Messages that wait for the session.
const OUTBOX: usize = 64;
/// The size of a page of history.
const PAGE: usize = 100;
/// Messages on each side of a message.
const SIDE: usize = 60;
/// Search results per request.
const HITS: usize = 50;

/// The requests of one session.
pub(crate) struct Requests {
    session: Session,
    answers: mpsc::Sender<Answer>,
    outbox: mpsc::Sender<(u64, To, String)>,
}

impl Requests {
    pub(crate) fn new(session: Session, answers: mpsc::Sender<Answer>) -> Self {
        let (outbox, mut messages) = mpsc::channel::<(u64, To, String)>(OUTBOX);
        let (out, said) = (session.clone(), answers.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the screen; a panic ends the program by the hook"
        )]
        tokio::spawn(async move {
            while let Some((local, to, text)) = messages.recv().await {
                // In order up to here; then each message is waited for separately.
                let queued = out.queue(to, text).await;
                let said = said.clone();
                #[expect(clippy::disallowed_methods, reason = "as above")]
                tokio::spawn(async move {
                    let kept = match queued {
                        Ok(queued) => queued.kept().await.map(|_| ()),
                        Err(e) => Err(e),
                    };
                    let answer = match kept {
                        Ok(()) => Answer::Sent { local },
                        Err(why) => Answer::NotSent { local, why },
                    };
                    // If the receiver is gone, the program ends.
                    let _ = said.send(answer).await;
                });
            }
        });
        Self { session, answers, outbox }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Sends the request of an effect. Other effects are not handled here.
    pub(crate) fn ask(&self, effect: Effect) {
        if let Effect::Send { local, to, text } = effect {
            let to = match to {
                Conversation::Room(room) => To::Room(room),
                Conversation::With(user) => To::User(user),
            };
            if self.outbox.try_send((local, to, text)).is_err() {
                let why = Error::Invalid("too many messages are on their way".into());
                self.say(Answer::NotSent { local, why });
            }
            return;
        }
        let (session, answers) = (self.session.clone(), self.answers.clone());
        #[expect(clippy::disallowed_methods, reason = "as above")]
        tokio::spawn(async move {
            if let Some(answer) = answer(&session, effect).await {
                let _ = answers.send(answer).await; // As above.
            }
        });
    }

    fn say(&self, answer: Answer) {
        let answers = self.answers.clone();
        #[expect(clippy::disallowed_methods, reason = "as above")]
        tokio::spawn(async move { answers.send(answer).await });
    }
}

async fn answer(session: &Session, effect: Effect) -> Option<Answer> {
    let failed = |e: Error| Answer::Failed(e.to_string());
    Some(match effect {
        Effect::Join(room) => session.join(&room).await.map_or_else(failed, Answer::Joined),
        Effect::Leave(room) => session.leave(&room).await.map_or_else(failed, |left| Answer::Left(left.room)),
        Effect::Who { room, show } => match session.who(room.as_deref()).await {
            Ok(reply) => Answer::Who { reply, show },
            Err(e) if show => failed(e),
            Err(_) => return None, // The user did not request it.
        },
        Effect::Rooms => session.rooms().await.map_or_else(failed, Answer::Rooms),
        Effect::Mark { of, seq } => match session.mark(&of, seq).await {
            Ok(seq) => Answer::Marked { of, seq },
            // The next message that is read comes with another attempt.
            Err(_) => return None,
        },
        Effect::Action(action) => match session.act(&action).await {
            Ok(done) => Answer::Told(told(&action, &done)),
            Err(e) => failed(e),
        },
        Effect::History { of, part: Part::Around(seq) } => {
            let reply = async {
                let older = Page { before: Some(seq.saturating_add(1)), after: None, limit: Some(SIDE) };
                let newer = Page { before: None, after: Some(seq), limit: Some(SIDE) };
                Ok((session.history(&of, &older).await?, session.history(&of, &newer).await?))
            };
            let reply = reply.await;
            Answer::Around { of, seq, reply }
        }
        Effect::History { of, part } => {
            let page = match part {
                Part::Before(seq) => Page { before: Some(seq), ..Page::default() },
                Part::After(seq) => Page { after: Some(seq), ..Page::default() },
                Part::Newest | Part::Around(_) => Page::default(),
            };
            let reply = session.history(&of, &Page { limit: Some(PAGE), ..page }).await;
            Answer::History { of, part, reply }
        }
        Effect::Search { query, before } => {
            let asked = Query { query: query.clone(), before, limit: Some(HITS), ..Query::default() };
            let reply = session.search(&asked).await;
            Answer::Found { query, reply }
        }
        _ => return None,
    })
}

/// The result of an action, as a sentence.
fn told(action: &Action, done: &ActReply) -> String {
    let user = done.user.as_deref().unwrap_or("nobody");
    let place = done.room.as_ref().map_or_else(|| "the server".to_owned(), |room| format!("#{room}"));
    let until = done.until.map_or(String::new(), |until| format!(" until {until}"));
    match action {
        Action::Kick(_) => format!("{user} was put out of {place}"),
        Action::Mute(_) => format!("{user} is muted in {place}{until}"),
        Action::Unmute(_) => format!("{user} may speak in {place} again"),
        Action::Ban(_) => format!("{user} is banned from {place}{until}"),
        Action::Unban(_) => format!("{user} may come to {place} again"),
        Action::Grant { .. } => match done.role {
            Some(role) => format!("{user} is {role} in {place} now"),
            None => format!("{user} is nothing in particular in {place} now"),
        },
        Action::Topic { .. } if done.topic.as_deref() == Some("") => format!("{place} has no topic now"),
        Action::Topic { .. } => format!("{place} has a new topic"),
        Action::Redact(redact) => format!("the text of message {} is removed for all", redact.seq),
        Action::Room { .. } if done.private == Some(true) => format!("{place} is private now"),
        _ => format!("{place} is public now"),
    }
}
