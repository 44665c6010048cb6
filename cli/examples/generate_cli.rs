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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: generate FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    let mut page = Vec::new();
    // One page for all: `tcp-chat-cli send` is looked up under `tcp-chat-cli` by everyone.
    let mut command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    command.build();
    for verb in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let man = clap_mangen::Man::new(verb.clone());
        page.extend(format!(".SH \"{}\"\n", verb.get_name().to_uppercase()).bytes());
        man.render_description_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    std::fs::write(folder.join("tcp-chat-cli.1"), page)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "tcp-chat-cli", &folder)?;
    }
    Ok(())
}
