//! Owns the combination of sources: the command line wins, then the SERVER line, then the environment, then the
//! server's profile, then the defaults of the configuration file. Called once at the start. Never connects.

use crate::args::{Cli, Options, duration};
use crate::credentials::{self, Files};
use crate::doctor;
use crate::exit::Failure;
use crate::misread::mistyped;
use crate::profile::{ConfigFile, Defaults, Profile};
use crate::settings::{Settings, server_key};
use crate::tui::Notify;
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_client::Identity;
use tcp_chat_client::protocol::invite::Join;
use tcp_chat_client::protocol::{Colour, Invite, Name, ServerAddress};
use tokio::time::Instant;

/// The warning about a code in the list of processes.
pub(crate) const IN_SIGHT: &str =
    "* other users of this machine can read that line: run `tcp-chat-cli -` and paste it there";

/// Combines all sources.
///
/// # Errors
/// A failure that names the invalid value and its place.
pub fn settle(matches: &ArgMatches) -> Result<(Settings, Option<crate::args::Command>), Failure> {
    let cli = Cli::from_arg_matches(matches).map_err(|e| Failure::usage(e.to_string()))?;
    settle_for(matches, doctor::with_server(matches, cli)?)
}

/// The same for a command line whose SERVER was chosen later, as on the page.
///
/// # Errors
/// As [`settle`].
pub fn settle_for(
    matches: &ArgMatches,
    cli: Cli,
) -> Result<(Settings, Option<crate::args::Command>), Failure> {
    let began = Instant::now();
    let flagged = cli.options.timeout.and_then(|timeout| began.checked_add(timeout));
    let file = ConfigFile::load(flagged)?;
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if let Some(server) = cli.server.as_ref().filter(|_| given("server") && cli.command.is_none())
        && let Some(failure) = mistyped(server, &file)
    {
        return Err(failure);
    }
    let is_argument = given("server") && cli.server.as_deref() != Some("-");
    let timeout = timeout(&cli.options, &file)?;
    let until = timeout.and_then(|timeout| began.checked_add(timeout));
    let (mut line, port) = read_server(cli.server, &file, until)?;
    let join = line.join.take();
    if join.is_some() && is_argument {
        // Only a warning: the code works only once.
        crate::output::say(IN_SIGHT);
    }
    let (port, profile) = file.profile(&line.host, port)?;
    let key = server_key(&line.host, port);
    let profile = profile.cloned().unwrap_or_default();
    let from = Layers { matches, options: &cli.options, line: &line, profile: &profile, file: &file };
    from.check_pin(&key)?;
    let files = Files { until };
    let trust = files.trust(from.options, &given, &line, &profile, &file, &key)?;
    let identity = from.identity(&files, &key)?;
    let chosen = from.chosen_name(join.as_ref(), identity.as_ref())?;
    let (o, defaults) = (from.options, &file.defaults);
    let settings = Settings {
        trust,
        name_is_chosen: chosen.is_some(),
        name: usable_name(chosen)?,
        color: from.color()?,
        rooms: from.rooms()?,
        notify: from.notify()?,
        password: files.password(o, &profile, defaults.password_file.as_ref())?,
        json: from.switch("json", o.json, defaults.json),
        line: from.switch("line", o.line, defaults.line),
        commands: from.switch("commands", o.commands, defaults.commands),
        mouse: !from.switch("no_mouse", o.no_mouse, defaults.no_mouse),
        no_color: from.switch("no_color", o.no_color, defaults.no_color)
            || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
        verbose: from.switch("verbose", o.verbose, defaults.verbose),
        timeout,
        began,
        new_profile: from.new_profile(join.as_ref(), key),
        identity,
        join,
        host: line.host.clone(),
        port,
        servers: from.servers()?,
    };
    Ok((settings, cli.command))
}

/// The sources of the values.
struct Layers<'a> {
    matches: &'a ArgMatches,
    /// The command line and the environment.
    options: &'a Options,
    /// The SERVER line.
    line: &'a Invite,
    /// The stored profile of this server.
    profile: &'a Profile,
    /// The configuration file with its defaults.
    file: &'a ConfigFile,
}

impl Layers<'_> {
    /// Whether the command line has this option.
    fn is_given(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    fn defaults(&self) -> &Defaults {
        &self.file.defaults
    }

    /// A switch. The environment can turn off what the file turns on.
    fn switch(&self, id: &str, asked: bool, default: bool) -> bool {
        let is_set = self.is_given(id) || self.matches.value_source(id) == Some(ValueSource::EnvVariable);
        if is_set { asked } else { default }
    }

    /// Refuses a line whose pin differs from the stored one, unless the command line sets the trust.
    fn check_pin(&self, key: &str) -> Result<(), Failure> {
        match (self.line.pin, self.profile.pin()?) {
            (Some(new), Some(old)) if new != old && !self.is_given("pin") && !self.is_given("ca") => {
                Err(credentials::changed_pin(key, old, new, self.file))
            }
            _ => Ok(()),
        }
    }

    /// Further servers of the same chat: of the line, then of the profile.
    fn servers(&self) -> Result<Vec<ServerAddress>, Failure> {
        let mut servers = self.line.more.clone();
        for text in &self.profile.servers {
            let wrong = |e| Failure::usage(format!("{}: servers {text:?}: {e}", self.file.shown()));
            servers.push(text.parse().map_err(wrong)?);
        }
        Ok(servers)
    }

    fn identity(&self, files: &Files, key: &str) -> Result<Option<Identity>, Failure> {
        let (o, profile, defaults) = (self.options, self.profile, self.defaults());
        let (cert, private) =
            (pick(&o.cert, &profile.cert, &defaults.cert), pick(&o.key, &profile.key, &defaults.key));
        match (cert, private) {
            (Some(cert), Some(private)) => files.identity(cert, private).map(Some),
            (None, None) => files.own_identity(key),
            _ => Err(Failure::usage("--cert and --key belong together: one of them is missing")),
        }
    }

    /// The name that the user chose. `None`: no source has one.
    fn chosen_name(
        &self,
        join: Option<&Join>,
        identity: Option<&Identity>,
    ) -> Result<Option<String>, Failure> {
        let o = self.options;
        if let Some(join) = join {
            if self.is_given("name") && o.name.as_deref() != Some(join.user.as_str()) {
                let text = format!("the join line is for {}, and --name is another", join.user);
                return Err(Failure::usage(text));
            }
            return Ok(Some(join.user.to_string()));
        }
        let chosen = pick(&o.name, &self.profile.name, &self.defaults().name);
        // With a certificate the server accepts no other name.
        Ok(chosen.or_else(|| identity.and_then(Identity::user)))
    }

    fn color(&self) -> Result<Option<Colour>, Failure> {
        let o = self.options;
        let Some(text) = pick(&o.color, &self.profile.color, &self.defaults().color) else { return Ok(None) };
        let read = text.parse().map_err(|e| {
            let place = match &o.color {
                Some(_) if self.is_given("color") => "--color".to_owned(),
                Some(_) => "TCP_CHAT_COLOR".to_owned(),
                None => format!("{}: color", self.file.shown()),
            };
            Failure::usage(format!("{place} {text:?}: {e}"))
        });
        read.map(Some)
    }

    /// The rooms of the line, then those of the first source that has some.
    fn rooms(&self) -> Result<Vec<String>, Failure> {
        let asked = &self.options.room;
        let mut rooms: Vec<String> = self.line.room.iter().map(|r| r.as_str().to_owned()).collect();
        let more = [asked, &self.profile.room, &self.defaults().room].into_iter().find(|r| !r.is_empty());
        for room in more.into_iter().flatten() {
            Name::parse(room).map_err(|e| Failure::usage(format!("the room {room:?}: {e}")))?;
            if !rooms.contains(room) {
                rooms.push(room.clone());
            }
        }
        if !asked.is_empty() && self.is_given("room") {
            // The first --room is the one that messages go to.
            rooms.sort_by_key(|room| asked.iter().position(|r| r == room).unwrap_or(usize::MAX));
        }
        Ok(rooms)
    }

    fn notify(&self) -> Result<Notify, Failure> {
        match (self.options.notify, &self.defaults().notify) {
            (Some(notify), _) => Ok(notify),
            (None, Some(text)) => text
                .parse()
                .map_err(|e| Failure::usage(format!("{}: notify {text:?}: {e}", self.file.shown()))),
            (None, None) => Ok(Notify::default()),
        }
    }

    /// The profile to store after the first login at a server whose line has a pin.
    fn new_profile(&self, join: Option<&Join>, key: String) -> Option<(PathBuf, String, Profile)> {
        let (pin, path) = (self.line.pin?, self.file.path.as_ref()?);
        if self.file.profiles.contains_key(&key) || self.is_given("ca") || self.is_given("pin") {
            return None;
        }
        let room = self.line.room.iter().map(|r| r.as_str().to_owned()).collect();
        let given = || self.options.name.clone().filter(|_| self.is_given("name"));
        let name = join.map(|join| join.user.to_string()).or_else(given);
        let servers = self.line.more.iter().map(ToString::to_string).collect();
        let profile = Profile { pin: Some(pin.to_string()), servers, room, name, ..Profile::default() };
        Some((path.clone(), key, profile))
    }
}

fn timeout(options: &Options, file: &ConfigFile) -> Result<Option<Duration>, Failure> {
    match (&options.timeout, &file.defaults.timeout) {
        (Some(timeout), _) => Ok(Some(*timeout)),
        (None, Some(text)) => {
            let read = duration(text);
            let wrong = |e| Failure::usage(format!("{}: timeout {text:?}: {e}", file.shown()));
            read.map(Some).map_err(wrong)
        }
        (None, None) => Ok(None),
    }
}

/// The SERVER line: from the command line or the environment, from the file, or this host. `-` reads it from
/// standard input.
fn read_server(
    asked: Option<String>,
    file: &ConfigFile,
    until: Option<Instant>,
) -> Result<(Invite, Option<u16>), Failure> {
    let server = asked.or_else(|| file.defaults.server.clone()).unwrap_or_else(|| "localhost".into());
    let server = if server == "-" { pasted(until)? } else { server };
    // A join line is a secret, so it is not shown.
    let shown = if server.contains('@') { "(a join line)" } else { server.as_str() };
    Invite::read(&server).map_err(|e| Failure::usage(format!("SERVER {shown:?}: {e}")))
}

/// The chosen name, or the login name of this system if it is a valid name.
fn usable_name(chosen: Option<String>) -> Result<String, Failure> {
    let missing = || Failure::usage("this system has no login name: give --name NAME");
    let name = chosen.or_else(login_name).ok_or_else(missing)?;
    Name::parse(&name).map_err(|e| {
        Failure::usage(format!("the name {name:?} cannot be used: {e}"))
            .hint("Give another one with --name NAME.")
    })?;
    Ok(name)
}

pub(crate) fn pick<T: Clone>(flag: &Option<T>, profile: &Option<T>, default: &Option<T>) -> Option<T> {
    flag.as_ref().or(profile.as_ref()).or(default.as_ref()).cloned()
}

/// The line of an invitation from standard input, which no list of processes shows.
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
