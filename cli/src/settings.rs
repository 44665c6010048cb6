//! Owns what was asked for, once flags, environment, profile and configuration file are laid over
//! one another: flags win, then the SERVER line, then the environment, then the server's profile,
//! then the file's defaults. Called once at the start. Never connects.

use crate::args::{Cli, duration};
use crate::credentials::{self, Files};
use crate::exit::Failure;
use crate::misread::mistyped;
use crate::profile::{ConfigFile, Profile};
use crate::tui::Notify;
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_client::protocol::invite::Join;
use tcp_chat_client::protocol::{Colour, Invite, Name};
use tcp_chat_client::{Identity, Trust};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whom to trust.
    pub trust: Trust,
    /// The client certificate.
    pub identity: Option<Identity>,
    /// What is to be done first: a registered user's first time.
    pub join: Option<Join>,
    /// The name.
    pub name: String,
    /// Did somebody choose the name, or is it just the login name?
    pub name_is_chosen: bool,
    /// The colour of the name.
    pub color: Option<Colour>,
    /// The rooms; empty: the server's.
    pub rooms: Vec<String>,
    /// The password.
    pub password: Option<Zeroizing<String>>,
    /// Print JSON.
    pub json: bool,
    /// Lines instead of the full screen.
    pub line: bool,
    /// Lines that begin with a slash are commands, also from a pipe.
    pub commands: bool,
    /// How a mention makes itself known on the full screen.
    pub notify: Notify,
    /// Does the full screen take the mouse?
    pub mouse: bool,
    /// No colours.
    pub no_color: bool,
    /// Say what is going on.
    pub verbose: bool,
    /// Give up after this time.
    pub timeout: Option<Duration>,
    /// When the program began: from here on the time counts.
    pub began: Instant,
    /// The profile to be stored once the server was joined, and where.
    pub new_profile: Option<(PathBuf, String, Profile)>,
}

impl Settings {
    /// `host:port`, as profiles and states are filed under.
    #[must_use]
    pub fn server(&self) -> String {
        server_key(&self.host, self.port)
    }

    /// When to give up.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| self.began.checked_add(timeout))
    }
}

fn server_key(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Lays everything over one another.
///
/// # Errors
/// A failure that names what makes no sense, and where it stands.
pub fn settle(matches: &ArgMatches) -> Result<(Settings, Option<crate::args::Command>), Failure> {
    let began = Instant::now();
    let cli = Cli::from_arg_matches(matches).map_err(|e| Failure::usage(e.to_string()))?;
    let flagged = cli.options.timeout.and_then(|timeout| began.checked_add(timeout));
    let file = ConfigFile::load(flagged)?;
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if let Some(server) = cli.server.as_ref().filter(|_| given("server") && cli.command.is_none())
        && let Some(failure) = mistyped(server, &file)
    {
        return Err(failure);
    }
    let is_argument = given("server") && cli.server.as_deref() != Some("-");
    let (o, defaults) = (cli.options, &file.defaults);

    let timeout = match (&o.timeout, &defaults.timeout) {
        (Some(timeout), _) => Some(*timeout),
        (None, Some(text)) => Some(
            duration(text).map_err(|e| Failure::usage(format!("{}: timeout {text:?}: {e}", file.shown())))?,
        ),
        (None, None) => None,
    };
    let server = cli.server.or_else(|| defaults.server.clone()).unwrap_or_else(|| "localhost".into());
    let until = timeout.and_then(|timeout| began.checked_add(timeout));
    let server = if server == "-" { pasted(until)? } else { server };
    // A join line is a secret: it is not shown again.
    let shown = if server.contains('@') { "(a join line)" } else { server.as_str() };
    let read = Invite::read(&server).map_err(|e| Failure::usage(format!("SERVER {shown:?}: {e}")));
    let (mut line, port) = read?;
    let join = line.join.take();
    if join.is_some() && is_argument {
        // It works all the same, and once.
        crate::output::say(
            "* others on this machine could read that line: `tcp-chat-cli -` reads it from here",
        );
    }
    let (port, profile) = file.profile(&line.host, port)?;
    let key = server_key(&line.host, port);
    let profile = profile.cloned().unwrap_or_default();

    if let (Some(new), Some(old)) = (line.pin, profile.pin()?)
        && new != old
        && !given("pin")
        && !given("ca")
    {
        return Err(credentials::changed_pin(&key, old, new, &file));
    }
    let files = Files { until };
    let trust = files.trust(&o, &given, &line, &profile, &file, &key)?;
    let identity =
        match (pick(&o.cert, &profile.cert, &defaults.cert), pick(&o.key, &profile.key, &defaults.key)) {
            (Some(cert), Some(key)) => Some(files.identity(cert, key)?),
            (None, None) => files.own_identity(&key)?,
            _ => return Err(Failure::usage("--cert and --key belong together: one of them is missing")),
        };

    let mut chosen = pick(&o.name, &profile.name, &defaults.name);
    if let Some(join) = &join {
        if given("name") && o.name.as_deref() != Some(join.user.as_str()) {
            let text = format!("the join line is for {}, and --name is another", join.user);
            return Err(Failure::usage(text));
        }
        chosen = Some(join.user.to_string());
    } else if chosen.is_none() {
        // Nobody else's name would be let in with it.
        chosen = identity.as_ref().and_then(Identity::user);
    }
    let name = match chosen.clone() {
        Some(name) => name,
        None => {
            login_name().ok_or_else(|| Failure::usage("this system has no login name: give --name NAME"))?
        }
    };
    Name::parse(&name).map_err(|e| {
        Failure::usage(format!("the name {name:?} cannot be used: {e}"))
            .hint("Give another one with --name NAME.")
    })?;
    let color = match pick(&o.color, &profile.color, &defaults.color) {
        None => None,
        Some(text) => Some(text.parse().map_err(|e| {
            let place = match &o.color {
                Some(_) if given("color") => "--color".to_owned(),
                Some(_) => "TCP_CHAT_COLOR".to_owned(),
                None => format!("{}: color", file.shown()),
            };
            Failure::usage(format!("{place} {text:?}: {e}"))
        })?),
    };
    let mut rooms: Vec<String> = line.room.iter().map(|r| r.as_str().to_owned()).collect();
    let more = [&o.room, &profile.room, &defaults.room].into_iter().find(|r| !r.is_empty());
    for room in more.into_iter().flatten() {
        Name::parse(room).map_err(|e| Failure::usage(format!("the room {room:?}: {e}")))?;
        if !rooms.contains(room) {
            rooms.push(room.clone());
        }
    }
    if !o.room.is_empty() && given("room") {
        // What --room names first is what is spoken to.
        rooms.sort_by_key(|room| o.room.iter().position(|r| r == room).unwrap_or(usize::MAX));
    }
    let notify = match (o.notify, &defaults.notify) {
        (Some(notify), _) => notify,
        (None, Some(text)) => {
            text.parse().map_err(|e| Failure::usage(format!("{}: notify {text:?}: {e}", file.shown())))?
        }
        (None, None) => Notify::default(),
    };
    let known = file.profiles.contains_key(&key);
    let new_profile = match (line.pin, &file.path) {
        (Some(pin), Some(path)) if !known && !given("ca") && !given("pin") => {
            let room = line.room.iter().map(|r| r.as_str().to_owned()).collect();
            let joined = join.as_ref().map(|join| join.user.to_string());
            let name = joined.or_else(|| o.name.clone().filter(|_| given("name")));
            let profile = Profile { pin: Some(pin.to_string()), room, name, ..Profile::default() };
            Some((path.clone(), key, profile))
        }
        _ => None,
    };
    // The environment can turn off what the file turns on.
    let is_set = |id: &str| given(id) || matches.value_source(id) == Some(ValueSource::EnvVariable);
    let switch = |id: &str, asked: bool, default: bool| if is_set(id) { asked } else { default };
    let settings = Settings {
        trust,
        identity,
        join,
        name,
        name_is_chosen: chosen.is_some(),
        color,
        rooms,
        password: files.password(&o, &profile, defaults.password_file.as_ref())?,
        json: switch("json", o.json, defaults.json),
        line: switch("line", o.line, defaults.line),
        commands: switch("commands", o.commands, defaults.commands),
        notify,
        mouse: !switch("no_mouse", o.no_mouse, defaults.no_mouse),
        no_color: switch("no_color", o.no_color, defaults.no_color)
            || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
        verbose: switch("verbose", o.verbose, defaults.verbose),
        timeout,
        began,
        new_profile,
        host: line.host,
        port,
    };
    Ok((settings, cli.command))
}

pub(crate) fn pick<T: Clone>(flag: &Option<T>, profile: &Option<T>, default: &Option<T>) -> Option<T> {
    flag.as_ref().or(profile.as_ref()).or(default.as_ref()).cloned()
}

/// The line of an invitation from standard input: so it stands in no list of processes.
fn pasted(until: Option<Instant>) -> Result<String, Failure> {
    use std::io::{BufRead, IsTerminal};
    if std::io::stdin().is_terminal() {
        crate::output::say("Paste the line:");
    }
    let failed = |e: std::io::Error| {
        Failure::usage(format!("SERVER is -, and standard input: {}", crate::input::why_unread(&e)))
    };
    let read = || {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    };
    let late = || Failure::timed_out("SERVER is -, and no line came on standard input in time");
    let line = crate::input::within(until, read).ok_or_else(late)?.map_err(failed)?;
    match line.trim() {
        "" => Err(Failure::usage("SERVER is -, and no line came on standard input")),
        line => Ok(line.to_owned()),
    }
}

fn login_name() -> Option<String> {
    whoami::username().ok().filter(|name| !name.is_empty())
}
