//! x
fn main() -> std::process::ExitCode {
    let config = std::env::args().nth(2).map(Into::into);
    let loaded = match tcp_chatd::settings::load(&tcp_chatd::settings::Inputs {
        config,
        environment: Default::default(),
        flags: Vec::new(),
    }) {
        Ok(l) => l,
        Err(e) => {
            eprintln!("{e}");
            return 78.into();
        }
    };
    let log = match tcp_chatd::log::init(&loaded.settings.log) {
        Ok(l) => l,
        Err(e) => {
            eprintln!("{e}");
            return 70.into();
        }
    };
    match tcp_chatd::daemon::run(loaded, log) {
        Ok(()) => 0.into(),
        Err(e) => {
            eprintln!("{e}");
            e.exit_code().into()
        }
    }
}
