//! Writes the man pages and the completions of `tcp-chatd` into a folder: `tcp-chatd.8` and the
//! completions from the command line's own definition, `tcp-chatd.toml.5` from `config.toml`.
//! Called by packaging: `cargo run -p tcp-chatd --example generate_daemon -- FOLDER`.

use anyhow::{Context, Result};
use clap_complete::Shell;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: generate FOLDER")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;

    let command = tcp_chatd::commands::command();
    fs::write(folder.join("tcp-chatd.8"), man_page(command.clone())?)?;
    fs::write(folder.join("tcp-chatd.toml.5"), settings_page(&tcp_chatd::settings::reference()))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command.clone(), "tcp-chatd", folder)?;
    }
    Ok(())
}

/// One page with all commands: an operator looks in one place.
fn man_page(mut command: clap::Command) -> Result<Vec<u8>> {
    command.build();
    let man = clap_mangen::Man::new(command.clone()).section("8").manual("tcp-chat").date("");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        describe(sub, sub.get_name(), &mut page)?;
    }
    // Examples and exit codes, line for line as `--help` has them.
    let extra = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    page.extend_from_slice(b".SH EXAMPLES\n.nf\n");
    page.extend_from_slice(escaped(extra.trim_start_matches("Examples:\n")).as_bytes());
    page.extend_from_slice(b"\n.fi\n.SH FILES\n");
    for (file, what) in [
        ("./config.toml, /etc/tcp-chatd/config.toml", "The configuration, where --config names no other."),
        ("/var/lib/tcp-chatd", "Store and certificates of the installed daemon."),
        ("/run/tcp-chatd/control.sock", "Control socket of the installed daemon."),
    ] {
        page.extend_from_slice(format!(".TP\n.I {}\n{}\n", escaped(file), escaped(what)).as_bytes());
    }
    page.extend_from_slice(
        b".SH SEE ALSO\n.BR tcp-chatd.toml (5),\n.BR tcp-chat-cli (1),\n.BR systemctl (1)\n",
    );
    Ok(page)
}

/// A command with its arguments, and the commands below it.
fn describe(command: &clap::Command, name: &str, page: &mut Vec<u8>) -> Result<()> {
    let below: Vec<_> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    let own = command.get_positionals().next().is_some();
    if !below.is_empty() {
        if own {
            describe_one(command, name, page)?;
        }
        return below.iter().try_for_each(|sub| describe(sub, &format!("{name} {}", sub.get_name()), page));
    }
    describe_one(command, name, page)
}

fn describe_one(command: &clap::Command, name: &str, page: &mut Vec<u8>) -> Result<()> {
    let mut usage = format!("\\fB{}\\fR", escaped(name));
    let mut options = String::new();
    for arg in command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help") {
        let shown = escaped(&arg.to_string());
        write!(usage, " {}", if arg.is_required_set() { shown.clone() } else { format!("[{shown}]") })?;
        if !arg.is_positional() {
            write!(options, "\n.br\n\\fB{shown}\\fR: {}.", escaped(&text(arg.get_help())))?;
        }
    }
    let about = escaped(&text(command.get_about()));
    page.extend_from_slice(format!(".TP\n{usage}\n{about}.{options}\n").as_bytes());
    Ok(())
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

/// `config.toml` as a page: a section for each table, an entry for each key, with its comment.
fn settings_page(reference: &str) -> String {
    let mut page = String::from(
        ".TH tcp-chatd.toml 5 \"\" \"\" \"tcp-chat\"\n.SH NAME\ntcp\\-chatd.toml \\- configuration of tcp\\-chatd\n\
         .SH DESCRIPTION\n",
    );
    let mut comment: Vec<&str> = Vec::new();
    for line in reference.lines() {
        let setting =
            line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        let example = line.strip_prefix("#   ").filter(|_| page.contains("\n.SH ["));
        if let Some(table) = line.strip_prefix('[') {
            prose(&mut page, &mut comment);
            page.push_str(&format!(".SH [{}\n", escaped(table)));
        } else if let Some(setting) = setting.or(example) {
            let name = setting.split(" = ").next().unwrap_or(setting);
            let shown = if example.is_some() { format!("{name} (not set)") } else { setting.to_owned() };
            page.push_str(&format!(".TP\n.B {}\n", escaped(&shown)));
            prose(&mut page, &mut comment);
            if example.is_some() {
                page.push_str(&format!(".br\n{}\n", escaped(setting)));
            }
        } else if line.is_empty() {
            prose(&mut page, &mut comment);
        } else {
            comment.push(line.trim_start_matches('#').strip_prefix(' ').unwrap_or_default());
        }
    }
    page.push_str(".SH SEE ALSO\n.BR tcp-chatd (8)\n");
    page
}

/// Prints a comment that was collected: paragraphs as they are, lines that are indented as such.
fn prose(page: &mut String, comment: &mut Vec<&str>) {
    for line in comment.drain(..) {
        if line.is_empty() {
            page.push_str(".PP\n");
        } else if line.starts_with("  ") {
            page.push_str(&format!(".br\n{}\n", escaped(line.trim_start())));
        } else {
            page.push_str(&format!("{}\n", escaped(line)));
        }
    }
}

/// Text for roff: no escapes of its own, no line that is a request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    text.lines()
        .map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() })
        .collect::<Vec<_>>()
        .join("\n")
}
