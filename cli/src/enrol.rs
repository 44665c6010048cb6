//! Owns the enrolment of a registered user on this host: the join line of `tcp-chatd user add` becomes a
//! password, or a key and a certificate that are stored here and used from then on. Called before anything else.
//! Never sends a private key.

use crate::exit::{Exit, Failure};
use crate::output::say;
use crate::settings::Settings;
use crate::{ask, files, hints};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tcp_chat_client::protocol::invite::Join;
use tcp_chat_client::{Enrolment, Identity, NewKey};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The time for connection and reply without `--timeout`.
const USUAL: Duration = Duration::from_secs(30);

/// The paths of the certificate and the key for a server.
#[must_use]
pub fn identity_files(server: &str) -> Option<(PathBuf, PathBuf)> {
    let folder = files::data_folder()?.join("identities");
    let stem = files::plain_name(server);
    let pair = |stem: &str| (folder.join(format!("{stem}.pem")), folder.join(format!("{stem}.key")));
    let (certificate, key) = pair(&stem);
    if certificate.exists() {
        return Some((certificate, key));
    }
    // Older versions kept the capital letters of the server's name.
    let stored = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let stems = stored.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".pem")?.to_owned()));
    let older = stems.into_iter().find(|older| without_capitals(older) == stem);
    Some(older.map_or((certificate, key), |older| pair(&older)))
}

/// A file name in lower case.
fn without_capitals(stem: &str) -> String {
    (b'A'..=b'Z').fold(stem.to_owned(), |stem, capital| {
        let small = char::from(capital).to_ascii_lowercase().to_string();
        stem.replace(&files::plain_name(&char::from(capital).to_string()), &small)
    })
}

/// Uses the code. Afterwards the settings have its result.
///
/// # Errors
/// The code was refused, there is no password, or the files cannot be written.
pub async fn enrol(settings: &mut Settings, join: Join) -> Result<(), Failure> {
    let certificate = join.certificate;
    let asked = Enrolment {
        host: settings.host.clone(),
        port: settings.port,
        trust: settings.trust.clone(),
        join,
        timeout: settings.deadline().map_or(USUAL, |at| at.saturating_duration_since(Instant::now())),
    };
    if certificate { fetch(settings, &asked).await } else { set_password(settings, &asked).await }
}

async fn set_password(settings: &mut Settings, asked: &Enrolment) -> Result<(), Failure> {
    let password = match settings.password.take() {
        Some(password) => password,
        None => new_password(asked, settings.deadline())?,
    };
    asked.password(&password).await.map_err(|e| hints::explained(e, settings))?;
    say(&format!("* your password is set; you are {} there from now on", asked.join.user));
    if settings.new_profile.is_none() {
        // A known server keeps its profile, which may have another name.
        say(&format!("* log in with --name {0}, or write name = \"{0}\" into config.toml", asked.join.user));
    }
    settings.password = Some(password);
    Ok(())
}

/// Asks the user at the terminal for the password. `None`: there is no user, or no input.
#[must_use]
pub fn ask_for_password(settings: &Settings) -> Option<Zeroizing<String>> {
    if !ask::can_be_asked() {
        return None;
    }
    let prompt = format!("The password of {} at {}: ", settings.name, settings.server());
    let said = ask::secret(&prompt, settings.deadline()).ok().flatten()?;
    (!said.is_empty()).then_some(said)
}

fn new_password(asked: &Enrolment, until: Option<Instant>) -> Result<Zeroizing<String>, Failure> {
    if !ask::can_be_asked() {
        return Err(Failure::usage("the join line sets a password, but none was given")
            .hint("Give it with --password-file FILE, or in TCP_CHAT_PASSWORD."));
    }
    let ask = |prompt: &str| {
        ask::secret(prompt, until).map(Option::unwrap_or_default).map_err(|e| {
            Failure::usage(format!("the terminal cannot be asked for a password: {e}"))
                .hint("Give it with --password-file FILE.")
        })
    };
    loop {
        let first = ask(&format!("A new password for {}: ", asked.join.user))?;
        if first.is_empty() {
            return Err(Failure::usage(
                "no password was given, so nothing was sent; the line can be used again",
            ));
        }
        if *first == *ask("The same again: ")? {
            return Ok(first);
        }
        say("* the two are not the same; once more");
    }
}

async fn fetch(settings: &mut Settings, asked: &Enrolment) -> Result<(), Failure> {
    let (certificate, key) = identity_files(&settings.server())
        .ok_or_else(|| Failure::new(Exit::Other, "this system has no folder for the user's data"))?;
    let failed = |file: &PathBuf, e: std::io::Error| {
        Failure::new(Exit::Other, format!("{} cannot be written: {e}", file.display()))
    };
    let made = NewKey::make(&asked.join.user)?;
    // Writes the key before the code is used up, so a full disk does not cost the code.
    let draft = key.with_extension("key.new");
    files::write(&draft, made.key.as_bytes()).map_err(|e| failed(&draft, e))?;
    let fetched = asked.certificate(&made).await.map_err(|e| hints::explained(e, settings));
    let pem = fetched.inspect_err(|_| {
        // The key has no use without its certificate.
        let _ = std::fs::remove_file(&draft);
    })?;
    for file in [&certificate, &key] {
        keep_old(file).map_err(|e| failed(file, e))?;
    }
    files::write(&certificate, pem.as_bytes()).map_err(|e| failed(&certificate, e))?;
    std::fs::rename(&draft, &key).map_err(|e| failed(&key, e))?;
    settings.identity = Some(Identity::from_files(&certificate, &key)?);
    say(&format!("* your certificate is {}; it is used by itself from now on", certificate.display()));
    Ok(())
}

/// Renames a file that is replaced, so that a certificate of another user is not lost: `NAME.old`, `NAME.old2`, and so on.
fn keep_old(file: &Path) -> std::io::Result<()> {
    if !file.exists() {
        return Ok(());
    }
    let name = |n: u32| {
        let mut name = file.as_os_str().to_owned();
        name.push(if n == 1 { ".old".to_owned() } else { format!(".old{n}") });
        PathBuf::from(name)
    };
    let free = (1..).map(name).find(|name| !name.exists());
    let free = free.ok_or_else(|| std::io::Error::other("there are too many old files"))?;
    std::fs::rename(file, &free)?;
    say(&format!("* the one before is kept as {}", free.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_replaced_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.pem");
        keep_old(&file).unwrap();
        for text in ["one", "two"] {
            std::fs::write(&file, text).unwrap();
            keep_old(&file).unwrap();
            assert!(!file.exists());
        }
        let kept = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((kept("server.pem.old").as_str(), kept("server.pem.old2").as_str()), ("one", "two"));
    }

    #[test]
    fn a_certificate_that_was_stored_under_capital_letters_is_found() {
        let stored = files::plain_name("Chat.EXAMPLE:3000");
        assert_ne!(stored, files::plain_name("chat.example:3000"));
        assert_eq!(without_capitals(&stored), files::plain_name("chat.example:3000"));
        assert_ne!(without_capitals(&stored), files::plain_name("chat.example:3001"));
    }
}
