//! Owns the running full-screen chat: waits for keys, the session, answers, signals and timers, passes each to
//! the model, runs its effects, and draws. It neither draws nor runs without an event. Called by `tui`. The only
//! part of `tui` with I/O; never changes the state itself.

use super::model::login::{Credentials, Login};
use super::model::{Answer, Effect, Input, Model, Now, Start};
use super::requests::Requests;
use super::saves::Saves;
use super::terminal::{Screen, inputs};
use crate::connect::{self, Taken, deadline};
use crate::exit::{Exit, Failure};
use crate::hints;
use crate::output::{Stop, say};
use crate::settings::Settings;
use crate::signals::{Asked, Continued, asked_to_stop};
use crate::terminal_kind::colors;
use jiff::tz::TimeZone;
use std::time::Duration;
use tcp_chat_client::protocol::{ErrorKind, Timestamp};
use tcp_chat_client::{Error, Event, Events, Session, Trust};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Answers that wait to be handled.
const ANSWERS: usize = 256;
/// Events that are handled before the next draw.
const AT_ONCE: usize = 1000;
/// The shortest time between two saves of the session.
const SAVE: Duration = Duration::from_secs(1);

type Connected = Result<(Session, Events, Vec<String>), Error>;

/// Chats until the user quits or a signal comes.
///
/// # Errors
/// The reason of the end: no login, or an unusable terminal.
pub async fn run(settings: &Settings) -> Result<(), Stop> {
    let stop = asked_to_stop();
    let mut screen = Screen::take(colors(!settings.no_color), settings.mouse).map_err(|e| {
        Failure::new(Exit::Other, format!("the terminal: {e}")).hint("`--line` needs no screen.")
    })?;
    let mut shell = Shell::new(settings, screen.size()?);
    let ended = shell.run(&mut screen, stop).await;
    // The terminal comes first: the next steps may take a moment, and may print.
    drop(screen);
    shell.leave(ended?).await
}

struct Shell<'a> {
    settings: &'a Settings,
    started: Instant,
    model: Model,
    requests: Option<Requests>,
    events: Option<Events>,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    logins: (mpsc::Sender<Connected>, mpsc::Receiver<Connected>),
    saves: Option<Saves>,
    save_at: Option<Instant>,
    /// Why the last login failed, until one succeeds.
    failed: Option<Failure>,
}

/// How the chat ended.
enum End {
    /// The user quits.
    Quit,
    /// The terminal is gone, the session stays.
    HangUp,
    /// An unrecoverable failure.
    Failed(Failure),
}

impl<'a> Shell<'a> {
    fn new(settings: &'a Settings, size: (u16, u16)) -> Self {
        let started = Instant::now();
        let start = Start {
            size,
            zone: TimeZone::system(),
            server: settings.server(),
            verified: if matches!(settings.trust, Trust::Pin(_)) { "pin" } else { "CA" },
            login: Login::new(
                &settings.name,
                settings.color,
                settings.password.as_deref().map(String::as_str),
            ),
            notify: settings.notify,
            mouse: settings.mouse,
            rooms: settings.rooms.clone(),
            now: Now { up: Duration::ZERO, wall: Timestamp::now() },
        };
        Self {
            settings,
            started,
            model: Model::new(start),
            requests: None,
            events: None,
            answers: mpsc::channel(ANSWERS),
            logins: mpsc::channel(1),
            saves: None,
            save_at: None,
            failed: None,
        }
    }

    fn now(&self) -> Now {
        Now { up: self.started.elapsed(), wall: Timestamp::now() }
    }

    async fn run(&mut self, screen: &mut Screen, stop: impl Future<Output = Asked>) -> Result<End, Stop> {
        let mut typed = inputs();
        let mut continued = Continued::new();
        tokio::pin!(stop);
        // A known name needs no prompt: acts as if Enter was pressed.
        if self.settings.name_is_chosen || Saves::have_session(self.settings) {
            let effects = self.model.begin();
            if let Some(end) = self.perform(effects, screen)? {
                return Ok(end);
            }
        }
        loop {
            screen.draw(&self.model)?;
            let wake = self.model.wake().map(|at| self.started + at);
            let timer = [wake, self.save_at].into_iter().flatten().min();
            let input = tokio::select! {
                typed = typed.recv() => match typed {
                    Some(typed) => Some(typed),
                    None => return Ok(End::HangUp),
                },
                event = next(&mut self.events) => event.map(Input::Net),
                Some(answer) = self.answers.1.recv() => Some(Input::Answer(answer)),
                Some(connected) = self.logins.1.recv() => match self.connected(connected) {
                    Ok(input) => Some(input),
                    Err(failure) => return Ok(End::Failed(failure)),
                },
                () = continued.next() => {
                    screen.resume()?;
                    None
                }
                asked = &mut stop => return Ok(if asked == Asked::HangUp { End::HangUp } else { End::Quit }),
                () = sleep_until(timer.unwrap_or(self.started)), if timer.is_some() => Some(Input::Tick),
            };
            let mut input = input;
            for _ in 0..AT_ONCE {
                if let Some(input) = input.take() {
                    let now = self.now();
                    if matches!(input, Input::Net(_) | Input::Answer(_)) && self.save_at.is_none() {
                        self.save_at = Some(Instant::now() + SAVE);
                    }
                    let effects = self.model.update(input, now);
                    if let Some(end) = self.perform(effects, screen)? {
                        return Ok(end);
                    }
                }
                // Other pending events are handled before the same draw.
                input = match (typed.try_recv(), self.answers.1.try_recv()) {
                    (Ok(typed), Ok(answer)) => {
                        let now = self.now();
                        let effects = self.model.update(Input::Answer(answer), now);
                        if let Some(end) = self.perform(effects, screen)? {
                            return Ok(end);
                        }
                        Some(typed)
                    }
                    (Ok(typed), Err(_)) => Some(typed),
                    (Err(_), Ok(answer)) => Some(Input::Answer(answer)),
                    (Err(_), Err(_)) => match self.events.as_mut().and_then(Events::try_next) {
                        Some(event) => Some(Input::Net(event)),
                        None => break,
                    },
                };
            }
            if self.save_at.is_some_and(|at| at <= Instant::now()) {
                self.save();
            }
        }
    }

    /// Runs an effect of the model. `Some`: the chat is over.
    fn perform(&mut self, effects: Vec<Effect>, screen: &mut Screen) -> Result<Option<End>, Stop> {
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(Some(self.quit())),
                Effect::Connect(credentials) => self.connect(credentials),
                Effect::Ring { how, text } => screen.ring(how, &text)?,
                Effect::Mouse(ours) => screen.mouse(ours)?,
                Effect::Repaint => screen.repaint()?,
                Effect::Suspend => screen.suspend()?,
                ask => {
                    if let Some(requests) = &self.requests {
                        requests.ask(ask);
                    }
                }
            }
        }
        Ok(None)
    }

    fn quit(&mut self) -> End {
        match self.failed.take() {
            Some(failure) if self.requests.is_none() => End::Failed(failure),
            _ => End::Quit,
        }
    }

    fn connect(&mut self, credentials: Credentials) {
        let mut settings = self.settings.clone();
        settings.name = credentials.name;
        settings.name_is_chosen = true;
        settings.color = credentials.color;
        settings.password = credentials.password;
        // The lock of the last name is released first: it may be the same.
        self.saves = None;
        let saves = Saves::open(&settings);
        let (mut before, reads) = saves.load();
        match (reads, &self.requests) {
            (Some(reads), _) => self.model.set_reads(reads),
            // Nothing could be saved: the screen belongs to the log of the last session.
            (None, Some(requests)) => {
                let last = requests.session().saved();
                before.seen = Some((last.after, last.log));
            }
            (None, None) => {}
        }
        self.saves = Some(saves);
        (self.requests, self.events) = (None, None);
        let logins = self.logins.0.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "it tells the shell how it ends; a panic ends the program by the hook"
        )]
        tokio::spawn(async move {
            let until = deadline(settings.timeout);
            let done = connect::establish(&settings, before, Taken::Refuse, until, &|_| ()).await;
            let done = done.map(|(session, events)| {
                let notes = connect::notes(&settings, &session);
                (session, events, notes)
            });
            // If the receiver is gone, the program ends.
            let _ = logins.send(done).await;
        });
    }

    /// Handles the result of a login attempt.
    fn connected(&mut self, done: Connected) -> Result<Input, Failure> {
        match done {
            Ok((session, events, notes)) => {
                let login = Box::new(session.login());
                let server = connect::current(&session);
                self.requests = Some(Requests::new(session, self.answers.0.clone()));
                self.events = Some(events);
                self.failed = None;
                self.save_at = Some(Instant::now());
                #[cfg(debug_assertions)]
                crash_if_asked();
                let now = self.now();
                if server != self.settings.server() {
                    self.model.update(Input::Net(Event::Moved { server }), now);
                }
                if let Some(note) = notes.into_iter().next_back() {
                    self.model.update(Input::Answer(Answer::LoggedIn(login)), now);
                    return Ok(Input::Answer(Answer::Told(note)));
                }
                Ok(Input::Answer(Answer::LoggedIn(login)))
            }
            Err(e) => {
                let password = matches!(&e, Error::LoginRefused { kind: ErrorKind::AuthFailed, .. });
                let refused = matches!(&e, Error::CertificateRefused(_));
                let failure = hints::explained(e, self.settings);
                if refused && self.model.login.is_some() {
                    // No other input would help, and the explanation is long.
                    return Err(failure);
                }
                let lines = failure.lines.clone();
                self.failed = Some(failure);
                Ok(Input::Answer(Answer::NotLoggedIn { lines, password }))
            }
        }
    }

    fn save(&mut self) {
        self.save_at = None;
        let (Some(saves), Some(requests)) = (&mut self.saves, &self.requests) else { return };
        if let Err(e) = saves.save(requests.session().saved(), self.model.reads()) {
            let text = format!("the session could not be saved: {e}");
            self.model.update(Input::Answer(Answer::Failed(text)), self.now());
            self.saves = None;
        }
    }

    /// Quits the session; the terminal is restored already.
    async fn leave(mut self, end: End) -> Result<(), Stop> {
        self.save();
        match end {
            End::Failed(failure) => Err(failure.into()),
            End::HangUp if self.saves.as_ref().is_some_and(Saves::keep_session) => self.all_are_kept(),
            // A session that could not be saved cannot be resumed.
            End::Quit | End::HangUp => {
                let Some(requests) = &self.requests else { return Ok(()) };
                if self.model.unconfirmed().next().is_some() {
                    say("* waiting until all messages are kept …");
                }
                // In the order of the requests: all of them were answered before QUIT.
                if !connect::quit(requests.session()).await {
                    return self.all_are_kept();
                }
                if let Some(saves) = &self.saves {
                    saves.forget_session();
                }
                Ok(())
            }
        }
    }

    /// Prints the unconfirmed messages again: no later run sends them.
    fn all_are_kept(&self) -> Result<(), Stop> {
        let texts: Vec<_> = self.model.unconfirmed().collect();
        if texts.is_empty() {
            return Ok(());
        }
        let late = "these messages were not confirmed: they may or may not be kept";
        Err(texts.into_iter().fold(Failure::new(Exit::TimedOut, late), Failure::hint).into())
    }
}

/// For the test of a crash; no release has it.
#[cfg(debug_assertions)]
fn crash_if_asked() {
    let why = "a test asked for it";
    match std::env::var("TCP_CHAT_TEST_CRASH").as_deref() {
        Ok("screen") => panic!("{why}"),
        #[expect(clippy::disallowed_methods, reason = "the panic is what is tested")]
        Ok("task") => drop(tokio::spawn(async move { panic!("{why}") })),
        _ => {}
    }
}

/// The next event of the session; waits for ever if there is no session.
async fn next(events: &mut Option<Events>) -> Option<Event> {
    let Some(open) = events else { return std::future::pending().await };
    let event = open.next().await;
    if event.is_none() {
        *events = None;
    }
    event
}
