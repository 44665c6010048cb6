//! Writes the man page `tcp-chat-cli.1` and the completions for bash, zsh and fish into the folder
//! that is given, all of them made from the command line's own definition.
//!
//! ```text
//! cargo run -p tcp-chat-cli --example generate_cli -- FOLDER
//! ```

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use std::path::PathBuf;
use tcp_chat_cli::args::Cli;
use tcp_chat_cli::{tui, worker};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: generate FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("tcp-chat-cli.1"), page()?)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "tcp-chat-cli", &folder)?;
    }
    Ok(())
}

/// The man page.
pub fn page() -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // One page for all: `tcp-chat-cli send` is looked up under `tcp-chat-cli` by everyone.
    let mut command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    command.build();
    for verb in command.get_subcommands().filter(|c| c.get_name() != "help") {
        // The options of all commands stand above.
        let verb = verb.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
        let man = clap_mangen::Man::new(verb.clone());
        page.extend(format!(".SH \"{}\"\n", verb.get_name().to_uppercase()).bytes());
        man.render_description_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    let commands = |all: &[(&str, &str, &str)]| -> Vec<(String, String)> {
        all.iter().map(|(name, args, does)| (format!("/{name} {args}"), (*does).to_owned())).collect()
    };
    let keys: Vec<_> = tui::KEYS.iter().map(|(key, does)| ((*key).to_owned(), (*does).to_owned())).collect();
    let about_lines = "Of the chat without a screen (--line, or where an end is no terminal).";
    section(&mut page, "KEYS", "Of the full screen. The input knows the keys of readline.", &keys);
    section(
        &mut page,
        "COMMANDS OF THE FULL SCREEN",
        "// begins a message with a slash.",
        &commands(&tui::COMMANDS),
    );
    section(&mut page, "COMMANDS IN LINES", about_lines, &commands(&worker::COMMANDS));
    Ok(page)
}

fn section(page: &mut Vec<u8>, title: &str, about: &str, entries: &[(String, String)]) {
    let mut text = format!(".SH \"{title}\"\n{}\n", roff(about));
    for (what, does) in entries {
        text.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", roff(what.trim_end()), roff(does)));
    }
    page.extend(text.bytes());
}

/// A text as roff takes it.
pub fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    // A line that begins so would be an instruction.
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
