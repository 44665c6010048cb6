//! Owns the life of `tcp-chat-cli web`: serves the page on loopback until the terminal or the last tab is closed. Called by
//! `main`. This program verifies the server, controls the access of browsers, and forwards lines. Never speaks the chat
//! protocol: the page does.
//!
//! | module | content |
//! | --- | --- |
//! | `serve`, `host` | the listener; the answer to each request |
//! | `access`, `peer` | tickets and bearers; the user who owns a socket |
//! | `relay`, `target` | the chat of one tab; the servers, and why a connection failed |
//! | `nodes` | the servers of one chat: the next one where one is lost |
//! | `stored`, `activity` | the state file; the time since which no tab is open |
//! | `browser` | the opening of the browser |

mod access;
mod activity;
mod browser;
mod elsewhere;
mod host;
mod nodes;
mod peer;
mod relay;
mod serve;
mod stored;
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
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use stored::StateFile;
use target::{Target, Targets};
use tcp_chat_client::protocol::Invite;
use tcp_chat_page::{Scheme, Site};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The address at which the page is served.
const ADDRESS: &str = "127.0.0.1";
/// How long WebSockets may take to close at the end.
const GOODBYE: Duration = Duration::from_secs(2);

/// The command line of `web`. `None`: it has another command.
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
/// The options, the SERVER line or the port cannot be used. A server that cannot be reached or verified is no error here:
/// the page explains it.
pub async fn run(matches: ArgMatches, cli: Cli, web: Web) -> Result<(), Stop> {
    let began = Instant::now();
    // From here on a signal ends the program in order, so it removes its files.
    let stop = asked_to_stop();
    let cli = with_server(&matches, cli, &web)?;
    let state_file = StateFile::open(cli.server.as_deref().and_then(key));
    let first = first(&matches, &cli, &web, &state_file).await?;
    let timeout = first.as_ref().ok().and_then(|first| first.timeout);
    let first = first.and_then(|first| Target::new(first).map(Arc::new));
    if let Err(failure) = &first {
        complain(failure);
    }

    let usual = state_file.stored().port;
    let (listener, port) = serve::listen(web.port.unwrap_or(0), usual).await.map_err(|e| {
        let asked = web.port.unwrap_or(0);
        Failure::new(Exit::Other, format!("cannot listen at port {asked} of {ADDRESS}: {e}"))
            .hint("Give another one with --port N, or leave --port out.")
    })?;
    let site = Site::new(Scheme::Http, [ADDRESS], port);
    let site = site.map_err(|e| Failure::new(Exit::Other, e.to_string()))?;
    let shown = first.as_ref().ok().map(|target| target.server());
    let host = Arc::new(Host::new(site, Targets::new(matches, cli, first), state_file, web.idle));
    host.store_port(port);
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
        () = at(until) => Err(Failure::timed_out("the time of --timeout has passed").into()),
    };
    host.set_redirect(None);
    host.stop.cancel();
    host.tasks.close();
    // The system closes the rest.
    let _ = tokio::time::timeout(GOODBYE, host.tasks.wait()).await;
    result
}

/// Opens the browser, or prints the address for it. Removes the file with the ticket when the ticket has expired. Returns
/// only a failure; otherwise it never ends.
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
            host.set_redirect(Some(redirect));
            let opening = tokio::task::spawn_blocking(move || Redirect::open(path));
            match tokio::time::timeout(access::TICKET, opening).await {
                Ok(Ok(opened)) => opened,
                Ok(Err(e)) => Err(e.to_string()),
                // The program that opens the file is the browser itself, and runs.
                Err(_) => Ok(()),
            }
        }
        Err(e) => Err(e.to_string()),
    };
    if let Err(why) = opened {
        say(&format!("* the browser could not be opened: {why}"));
        print()?;
    }
    tokio::time::sleep(access::TICKET).await;
    host.set_redirect(None);
    std::future::pending().await
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// The command line with SERVER, which may be before the command, as with other commands, or behind it.
fn with_server(matches: &ArgMatches, cli: Cli, web: &Web) -> Result<Cli, Failure> {
    let is_before = matches.value_source("server") == Some(clap::parser::ValueSource::CommandLine);
    match &web.server {
        Some(_) if is_before => Err(Failure::usage("SERVER is before and behind `web`: give it once")),
        Some(server) => {
            if Invite::read(server).is_ok_and(|(invite, _)| invite.join.is_some()) {
                say(layers::IN_SIGHT);
            }
            Ok(Cli { server: Some(server.clone()), ..cli })
        }
        None => Ok(cli),
    }
}

/// The key of the state file for a SERVER line. The line itself may contain a code.
fn key(server: &str) -> Option<String> {
    let (invite, port) = Invite::read(server).ok()?;
    Some(server_key(&invite.host, port.unwrap_or(invite.port)))
}

/// The settings for the server that the page offers first. The outer error ends the program, where a terminal shows it. The
/// page explains the inner error: after a click on an icon or a link, and if the command line names no server, because the
/// page has a field for it.
async fn first(
    matches: &ArgMatches,
    cli: &Cli,
    web: &Web,
    state_file: &StateFile,
) -> Result<Result<crate::settings::Settings, Failure>, Failure> {
    let is_named = cli.server.is_some();
    let is_clicked = !web.no_open && !std::io::stderr().is_terminal();
    // Without SERVER: the server that was last chosen on the page.
    let server = cli.server.clone().or_else(|| state_file.stored().server.clone());
    let settled = layers::settle_for(matches, Cli { server, ..cli.clone() });
    let settled = match settled {
        Ok((mut settings, _)) => match settings.join.take() {
            // Any page in the browser can contain such a link. It must not send a password or replace a certificate.
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
