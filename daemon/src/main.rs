//! The binary: hands the life of the daemon to the command line.

use std::process::ExitCode;
use tcp_chatd::commands::{self, StoreCheck, exit};

fn main() -> ExitCode {
    commands::main(|_, _| ExitCode::from(exit::INTERNAL), |_| StoreCheck::Fine)
}
