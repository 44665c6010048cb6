//! Owns the daemon's own CA and leaf as they lie in `tls.dir`: looks what is there, says what is
//! to be done, does it. The CA is made once, and never again while any part of it is there.
//!
//! The order of writing makes every crash recoverable: `ca.key`, `ca.pem`, `server.key`,
//! `server.pem`, each whole or not there. `ca.key` alone is a first start that was cut short (no
//! client can have its certificate yet): it is finished. A key without its new certificate is a
//! leaf that does not fit together: it is issued again. A file that is no PEM at all is no crash's
//! doing, and is refused.

use super::files::{self, CA_CERTIFICATE, CA_KEY, CERTIFICATE, Folder, KEY};
use super::mint::{self, Minted, Signer};
use super::note::TlsNote;
use super::pair::{self, Facts, Pair, content};
use super::{Fault, TlsError};
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tcp_chat_protocol::pem;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

const NO_CA_KEY: &str = "its key is none that can sign here, or it is damaged: bring it back from a backup";

/// What the leaf shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) dir: PathBuf,
    /// For the CA's name.
    pub(super) host: String,
    /// Names and addresses of the leaf.
    pub(super) names: BTreeSet<String>,
}

/// A CA that is whole.
#[derive(Debug)]
pub(super) struct Ca {
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) facts: Facts,
    signer: Signer,
}

/// What is there, and so what is to be done.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing: a first start.
    Nothing,
    /// A first start that was cut short.
    OnlyCaKey,
    /// The CA; the leaf is to be issued, and why.
    Ca(Box<Ca>, Reason),
    /// All is well.
    All(Box<Ca>, Box<Pair>),
}

/// Why a leaf is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There is none yet.
    Missing,
    /// The one that is there is of no use, and why.
    Broken(String),
    /// Two thirds of its life are over.
    Due,
    /// It has not the names that it should have.
    Names,
    /// Somebody asked for it.
    Asked,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("there was none"),
            Self::Broken(why) => write!(f, "the one before was of no use: {why}"),
            Self::Due => f.write_str("two thirds of the life of the one before were over"),
            Self::Names => f.write_str("the names that it should have are others"),
            Self::Asked => f.write_str("asked for"),
        }
    }
}

/// When what is missing is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// A start: a CA is made if there is none.
    Start,
    /// While a CA is in use: another one is never made. Every client would refuse the server from then on.
    Running,
    /// An operator asked for a new leaf.
    Renewal,
}

/// Looks what is in the folder. Writes nothing.
pub(super) fn survey(wanted: &Wanted, now: SystemTime) -> Result<Found, TlsError> {
    let path = |name| wanted.dir.join(name);
    let there = |name| files::is_there(&path(name));
    let (certificate, key) = (there(CA_CERTIFICATE)?, there(CA_KEY)?);
    let leaf = there(CERTIFICATE)? || there(KEY)?;
    match (certificate, key, leaf) {
        (true, true, _) => {}
        (false, false, false) => return Ok(Found::Nothing),
        (false, true, false) => return Ok(Found::OnlyCaKey),
        (true, false, _) => {
            let reason = "it is missing, and ca.pem is there; bring it back from where it was moved to. \
                          To begin anew with a CA that every client must be told of, move all of \
                          ca.pem, ca.key, server.pem and server.key away";
            return Err(content(&path(CA_KEY), reason.into()));
        }
        (false, _, true) => {
            let reason = "it is missing, and a certificate that it signed is there; bring it back. \
                          To begin anew with a CA that every client must be told of, move all of \
                          ca.pem, ca.key, server.pem and server.key away";
            return Err(content(&path(CA_CERTIFICATE), reason.into()));
        }
    }
    let ca = Box::new(Ca::read(&wanted.dir, now)?);
    Ok(match leaf_of(wanted, &ca, now)? {
        Ok(pair) => Found::All(ca, Box::new(pair)),
        Err(reason) => Found::Ca(ca, reason),
    })
}

/// The leaf, or why it has to be issued. The outer error: what nobody can mend by issuing one.
fn leaf_of(wanted: &Wanted, ca: &Ca, now: SystemTime) -> Result<Result<Pair, Reason>, TlsError> {
    let (certificate, key) = (wanted.dir.join(CERTIFICATE), wanted.dir.join(KEY));
    if !files::is_there(&certificate)? && !files::is_there(&key)? {
        return Ok(Err(Reason::Missing));
    }
    let pair = match Pair::read(&certificate, &key) {
        Ok(pair) => pair,
        // Not to be read is not the same as broken.
        Err(e) if e.fault != Fault::Content => return Err(e),
        Err(e) => {
            // Two good files that do not fit, or one of the two, are a crash between writing them.
            // Garbage is somebody's doing: never a silent new certificate beside it.
            for (file, fault) in
                [(&certificate, pair::read_chain(&certificate).err()), (&key, pair::read_key(&key).err())]
            {
                if let Some(fault) = fault.filter(|_| files::is_there(file).unwrap_or(true)) {
                    let remedy =
                        "bring it back, or move server.pem and server.key away: then the CA signs a new one";
                    return Err(content(file, format!("{}; {remedy}", fault.reason)));
                }
            }
            return Ok(Err(Reason::Broken(e.to_string())));
        }
    };
    if let Some(why) = pair.facts.out_of_time(now) {
        return Ok(Err(Reason::Broken(format!("{}: {why}", certificate.display()))));
    }
    if let Err(why) = pair.verify(&ca.der, now) {
        return Ok(Err(Reason::Broken(format!("{}: {why}", certificate.display()))));
    }
    if pair.facts.names != wanted.names {
        return Ok(Err(Reason::Names));
    }
    if is_due(&pair.facts, &ca.facts, now) {
        return Ok(Err(Reason::Due));
    }
    pair.with_ca(&ca.der).map(Ok).map_err(|why| content(&certificate, why))
}

/// Are two thirds of a leaf's life over? Not where a new one would end on the same day: a CA's
/// last weeks would be spent on issuing.
pub(super) fn is_due(leaf: &Facts, ca: &Facts, now: SystemTime) -> bool {
    let life = leaf.not_after.duration_since(leaf.not_before).unwrap_or_default();
    now >= leaf.not_before + life * 2 / 3 && leaf.not_after < ca.not_after
}

/// Makes what is missing, so that afterwards all is there.
pub(super) fn ensure(
    wanted: &Wanted,
    now: SystemTime,
    at: At,
) -> Result<(Box<Ca>, Pair, Vec<TlsNote>), TlsError> {
    if at == At::Running && !files::is_there(&wanted.dir)? {
        return Err(vanished(wanted));
    }
    let folder = Folder::open(&wanted.dir)?;
    let mut notes = Vec::new();
    let (ca, reason) = match survey(wanted, now)? {
        Found::All(ca, _) if at == At::Renewal => (ca, Reason::Asked),
        Found::All(ca, pair) => return Ok((ca, *pair, notes)),
        Found::Ca(ca, reason) => (ca, reason),
        _ if at == At::Running => return Err(vanished(wanted)),
        found => {
            make_ca(&folder, wanted, matches!(found, Found::OnlyCaKey), now)?;
            let ca = Box::new(Ca::read(&wanted.dir, now)?);
            notes.push(TlsNote::CaMade { file: wanted.dir.join(CA_CERTIFICATE), pin: ca.facts.pin });
            (ca, Reason::Missing)
        }
    };
    let certificate = wanted.dir.join(CERTIFICATE);
    let minted = ca.signer.leaf(&wanted.names, now).map_err(|e| mint::failed(&certificate, &e))?;
    folder.write(KEY, 0o600, minted.key.as_bytes())?;
    folder.write(CERTIFICATE, 0o644, format!("{}{}", minted.certificate, ca.pem).as_bytes())?;
    let pair = match leaf_of(wanted, &ca, now)? {
        Ok(pair) => pair,
        Err(reason) => return Err(content(&certificate, format!("it was issued just now, yet {reason}"))),
    };
    let until = pair.facts.not_after;
    notes.push(TlsNote::LeafIssued { file: certificate, reason, until });
    Ok((ca, pair, notes))
}

/// The CA is no longer where it was.
fn vanished(wanted: &Wanted) -> TlsError {
    let reason = "the CA was removed while tcp-chatd was using it. Bring ca.pem, ca.key, server.pem and server.key \
                  back; what was loaded from them stays in use. To begin anew with a CA that every client must be told \
                  of, restart tcp-chatd";
    content(&wanted.dir.join(CA_CERTIFICATE), reason.into())
}

fn make_ca(folder: &Folder, wanted: &Wanted, has_key: bool, now: SystemTime) -> Result<(), TlsError> {
    let file = wanted.dir.join(CA_KEY);
    let key = if has_key {
        read_ca_key(&file)?
    } else {
        let key = mint::ca_key().map_err(|e| mint::failed(&file, &e))?;
        folder.write_new(CA_KEY, 0o600, Zeroizing::new(key.serialize_pem()).as_bytes())?;
        key
    };
    let file = wanted.dir.join(CA_CERTIFICATE);
    let pem = mint::ca(&key, &wanted.host, now).map_err(|e| mint::failed(&file, &e))?;
    folder.write_new(CA_CERTIFICATE, 0o644, pem.as_bytes())
}

impl Ca {
    /// Reads the CA; every fault names the file and what to do, since the CA is never re-made.
    pub(super) fn read(dir: &Path, now: SystemTime) -> Result<Self, TlsError> {
        let (file, key_file) = (dir.join(CA_CERTIFICATE), dir.join(CA_KEY));
        let chain = pair::read_chain(&file)?;
        let [der] = chain.as_slice() else {
            return Err(content(
                &file,
                format!("there are {} certificates in it instead of one", chain.len()),
            ));
        };
        let facts = Facts::read(der).map_err(|reason| content(&file, reason))?;
        if !facts.is_ca {
            return Err(content(&file, "its certificate may not sign others: it is no CA".into()));
        }
        if let Some(why) = facts.out_of_time(now) {
            let reason = format!(
                "{why}. To begin anew with a CA that every client must be told of, move all of \
                 ca.pem, ca.key, server.pem and server.key away"
            );
            return Err(content(&file, reason));
        }
        let key = read_ca_key(&key_file)?;
        let (_, parsed) = X509Certificate::from_der(der).map_err(|_| content(&file, pem::DAMAGED.into()))?;
        if parsed.public_key().raw != key.subject_public_key_info().as_slice() {
            return Err(content(&key_file, "it is not the key of the certificate in ca.pem".into()));
        }
        let pem = String::from_utf8(files::read(&file)?)
            .map_err(|_| content(&file, "it is no text, so no PEM".into()))?;
        let signer = Signer::new(&pem, key, facts.not_after).map_err(|e| mint::failed(&file, &e))?;
        Ok(Self { der: der.clone(), pem, facts, signer })
    }

    /// A client certificate for a user's own key.
    pub(super) fn sign(
        &self,
        key: &impl PublicKeyData,
        name: &str,
        now: SystemTime,
    ) -> Result<rcgen::Certificate, rcgen::Error> {
        self.signer.client_for(key, name, now)
    }

    /// A client certificate for a user, with the CA's behind it.
    pub(super) fn client(&self, name: &str, now: SystemTime) -> Result<Minted, rcgen::Error> {
        let mut minted = self.signer.client(name, now)?;
        minted.certificate.push_str(&self.pem);
        Ok(minted)
    }
}

fn read_ca_key(file: &Path) -> Result<KeyPair, TlsError> {
    let der = pair::read_key(file)?;
    KeyPair::try_from(&der).map_err(|_| content(file, NO_CA_KEY.into()))
}
