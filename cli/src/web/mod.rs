//! Owns the life of `tcp-chat-cli web`: the page on loopback, until the terminal or the last tab is closed. Called by
//! `main`. The page speaks the protocol itself: this program verifies the server, guards the browser's door, and passes
//! lines on.
//!
//! | module | what |
//! | --- | --- |
//! | `serve`, `host` | the listener; what is answered to each request |
//! | `door`, `peer` | tickets and bearers; whose socket it is |
//! | `relay`, `target` | one tab's chat; the servers, and why one could not be reached |
//! | `kept`, `activity` | what outlives the program; since when nobody uses the page |
//! | `browser` | how the browser is opened |

mod activity;
mod browser;
mod door;
mod host;
mod kept;
mod peer;
mod relay;
mod serve;
mod target;

use crate::args::{Cli, Command, Web};
use crate::exit::{Exit, Failure};
use crate::output::{self, Stop, complain, say};
use crate::settings::server_key;
use crate::signals::asked_to_stop;
use crate::{enrol, layers};
use browser::Redirect;
use clap::{ArgMatches, FromArgMatches};
use host::Host;
use kept::Keeper;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use target::{Target, Targets};
use tcp_chat_client::protocol::Invite;
use tcp_chat_page::{Scheme, Site};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The address that the page is served at.
const ADDRESS: &str = "127.0.0.1";
/// How long WebSockets may take to close at the end.
const GOODBYE: Duration = Duration::from_secs(2);

/// What `web` was asked for. `None`: the command is another one.
#[must_use]
pub fn asked(matches: &ArgMatches) -> Option<(Cli, Web)> {
    let cli = Cli::from_arg_matches(matches).ok()?;
    let Some(Command::Web(web)) = &cli.command else { return None };
    let web = web.clone();
    Some((cli, web))
}

/// Serves the page.
///
/// # Errors
/// What the options, the server's line or the port have wrong. A server that cannot be reached or verified is explained on
/// the page instead.
pub async fn run(matches: ArgMatches, cli: Cli, web: Web) -> Result<(), Stop> {
    let began = Instant::now();
    // Caught from here on: no file is left behind.
    let stop = asked_to_stop();
    let cli = with_server(&matches, cli, &web)?;
    let keeper = Keeper::open(cli.server.as_deref().and_then(key));
    let first = first(&matches, &cli, &web, &keeper).await?;
    let timeout = first.as_ref().ok().and_then(|first| first.timeout);
    let first = first.and_then(|first| Target::new(first).map(Arc::new));
    if let Err(failure) = &first {
        complain(failure);
    }

    let usual = keeper.kept().port;
    let (listener, port) = serve::listen(web.port.unwrap_or(0), usual).await.map_err(|e| {
        let asked = web.port.unwrap_or(0);
        Failure::new(Exit::Other, format!("port {asked} of {ADDRESS} cannot be listened at: {e}"))
            .hint("Give another one with --port N, or leave --port out.")
    })?;
    let site = Site::new(Scheme::Http, [ADDRESS], port);
    let site = site.map_err(|e| Failure::new(Exit::Other, e.to_string()))?;
    let shown = first.as_ref().ok().map(|target| target.server());
    let host = Arc::new(Host::new(site, Targets::new(matches, cli, first), keeper, web.idle));
    host.keep_port(port);
    browser::remove_stale(port);

    match shown {
        Some(server) => {
            say(&format!("* the page is at http://{ADDRESS}:{port}/ for {server}; Ctrl-C ends it"))
        }
        None => say(&format!("* the page is at http://{ADDRESS}:{port}/; Ctrl-C ends it")),
    }
    let over = async { if web.keep { std::future::pending().await } else { host.activity.unused().await } };
    let until = timeout.and_then(|timeout| began.checked_add(timeout));
    let result = tokio::select! {
        never = serve::serve(listener, Arc::clone(&host)) => match never {},
        Err(failed) = open(&host, &web, port) => Err(failed),
        _ = stop => Ok(()),
        () = over => {
            say("* no tab has used the page for a while: this program ends");
            Ok(())
        }
        () = at(until) => Err(Failure::timed_out("the time of --timeout is over").into()),
    };
    host.hold(None);
    host.stop.cancel();
    host.tasks.close();
    // The system closes what is left.
    let _ = tokio::time::timeout(GOODBYE, host.tasks.wait()).await;
    result
}

/// Opens the browser, or prints the address for it. Returns where that fails; otherwise it removes the ticket's file after
/// its time, and waits for ever.
async fn open(host: &Host, web: &Web, port: u16) -> Result<std::convert::Infallible, Stop> {
    let address = || {
        let ticket =
            host.issue().ok_or_else(|| Failure::new(Exit::Other, "this system has no random numbers"))?;
        Ok::<_, Failure>(Zeroizing::new(format!("http://{ADDRESS}:{port}/#ticket={}", ticket.as_str())))
    };
    let print = || {
        output::data(&address()?)?;
        say("* open this address within 60 s; it works once");
        Ok::<_, Stop>(())
    };
    if web.no_open || !browser::has_screen() {
        print()?;
        return std::future::pending().await;
    }
    let opened = match Redirect::write(&address()?, port) {
        Ok(redirect) => {
            let path = redirect.path();
            host.hold(Some(redirect));
            let opening = tokio::task::spawn_blocking(move || Redirect::open(path));
            match tokio::time::timeout(door::TICKET, opening).await {
                Ok(Ok(opened)) => opened,
                Ok(Err(e)) => Err(e.to_string()),
                // The browser was started by this, and runs.
                Err(_) => Ok(()),
            }
        }
        Err(e) => Err(e.to_string()),
    };
    if let Err(why) = opened {
        say(&format!("* the browser could not be opened: {why}"));
        print()?;
    }
    tokio::time::sleep(door::TICKET).await;
    host.hold(None);
    std::future::pending().await
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// SERVER may stand before the command, as with the others, or behind it.
fn with_server(matches: &ArgMatches, cli: Cli, web: &Web) -> Result<Cli, Failure> {
    let is_before = matches.value_source("server") == Some(clap::parser::ValueSource::CommandLine);
    match &web.server {
        Some(_) if is_before => Err(Failure::usage("SERVER stands before and behind `web`: give it once")),
        Some(server) => {
            if Invite::read(server).is_ok_and(|(invite, _)| invite.join.is_some()) {
                say(layers::IN_SIGHT);
            }
            Ok(Cli { server: Some(server.clone()), ..cli })
        }
        None => Ok(cli),
    }
}

/// What the state of a SERVER line is filed under. The line itself may have a code in it.
fn key(server: &str) -> Option<String> {
    let (invite, port) = Invite::read(server).ok()?;
    Some(server_key(&invite.host, port.unwrap_or(invite.port)))
}

/// The settings for the server that the page offers first. An error in it ends the program where somebody sees it; the page
/// explains it to whoever has clicked an icon or a link, and where no server was named: the page has a field for it.
async fn first(
    matches: &ArgMatches,
    cli: &Cli,
    web: &Web,
    keeper: &Keeper,
) -> Result<Result<crate::settings::Settings, Failure>, Failure> {
    let is_named = cli.server.is_some();
    let is_clicked = !web.no_open && !std::io::stderr().is_terminal();
    // What was chosen on the page the last time, where the command line has nothing.
    let server = cli.server.clone().or_else(|| keeper.kept().server.clone());
    let settled = layers::settle_for(matches, Cli { server, ..cli.clone() });
    let settled = match settled {
        Ok((mut settings, _)) => match settings.join.take() {
            // Any page in the browser can have such a link: it must not send a password or replace a certificate.
            Some(_) if is_clicked => Err(Failure::usage("this link has a code that makes you a user of its server")
                .hint("If you trust the one who sent it, run tcp-chat-cli - in a terminal, and paste the link there.")),
            Some(join) => enrol::enrol(&mut settings, join).await.map(|()| settings),
            None => Ok(settings),
        },
        Err(failure) => Err(failure),
    };
    match settled {
        Err(failure) if is_named && !is_clicked => Err(failure),
        settled => Ok(settled),
    }
}
