//! Owns the daemon's own CA and leaf in `tls.dir`: finds out their state, and makes what is missing. Called by
//! `mod` and `clients`. The CA is minted once, and never again while a part of it exists.
//!
//! The order of writing makes every crash recoverable: `ca.key`, `ca.pem`, `server.key`, `server.pem`, each
//! complete or absent. `ca.key` alone is an interrupted first start (no client can have its certificate yet): it
//! is completed. A key without its new certificate is a leaf that does not match: it is issued again. A file that
//! is not PEM is not the result of a crash, and is refused.

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

const NO_CA_KEY: &str = "the CA cannot sign with this key, or the key is damaged: restore it from a backup";

/// The properties that the leaf must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeafSpec {
    pub(super) dir: PathBuf,
    /// The host in the CA's name.
    pub(super) host: String,
    /// Names and addresses of the leaf.
    pub(super) names: BTreeSet<String>,
}

/// A complete CA.
#[derive(Debug)]
pub(super) struct Ca {
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) facts: Facts,
    signer: Signer,
}

/// The state of the folder.
#[derive(Debug)]
pub(super) enum FolderState {
    /// Empty: a first start.
    Nothing,
    /// An interrupted first start.
    OnlyCaKey,
    /// The CA exists; the leaf must be issued for this reason.
    Ca(Box<Ca>, IssueReason),
    /// CA and leaf are in order.
    All(Box<Ca>, Box<Pair>),
}

/// Why a leaf is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueReason {
    /// There is none.
    Missing,
    /// The existing one is unusable, with the reason.
    Broken(String),
    /// Two thirds of its validity are over.
    Due,
    /// Its names differ from the configured ones.
    Names,
    /// An operator requested it.
    Requested,
}

impl std::fmt::Display for IssueReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("there was none"),
            Self::Broken(why) => write!(f, "the old one was unusable: {why}"),
            Self::Due => f.write_str("two thirds of the validity of the old one were over"),
            Self::Names => f.write_str("its names have changed"),
            Self::Requested => f.write_str("requested"),
        }
    }
}

/// The occasion of [`ensure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A start: a CA is minted if there is none.
    Start,
    /// The daemon uses a CA: another one is never minted, because every client would refuse the server.
    Running,
    /// An operator requests a new leaf.
    Renewal,
}

/// Finds out the state of the folder. Writes nothing.
pub(super) fn inspect_folder(leaf_spec: &LeafSpec, now: SystemTime) -> Result<FolderState, TlsError> {
    let path = |name| leaf_spec.dir.join(name);
    let there = |name| files::exists(&path(name));
    let (certificate, key) = (there(CA_CERTIFICATE)?, there(CA_KEY)?);
    let leaf = there(CERTIFICATE)? || there(KEY)?;
    match (certificate, key, leaf) {
        (true, true, _) => {}
        (false, false, false) => return Ok(FolderState::Nothing),
        (false, true, false) => return Ok(FolderState::OnlyCaKey),
        (true, false, _) => {
            let reason = "it is missing, but ca.pem exists; restore it. \
                          To start with a new CA, which every client must be given, move all of \
                          ca.pem, ca.key, server.pem and server.key away";
            return Err(content(&path(CA_KEY), reason.into()));
        }
        (false, _, true) => {
            let reason = "it is missing, but a certificate that it signed exists; restore it. \
                          To start with a new CA, which every client must be given, move all of \
                          ca.pem, ca.key, server.pem and server.key away";
            return Err(content(&path(CA_CERTIFICATE), reason.into()));
        }
    }
    let ca = Box::new(Ca::read(&leaf_spec.dir, now)?);
    Ok(match leaf_of(leaf_spec, &ca, now)? {
        Ok(pair) => FolderState::All(ca, Box::new(pair)),
        Err(reason) => FolderState::Ca(ca, reason),
    })
}

/// The leaf, or the reason for a new one. The outer error is a fault that a new leaf does not mend.
fn leaf_of(leaf_spec: &LeafSpec, ca: &Ca, now: SystemTime) -> Result<Result<Pair, IssueReason>, TlsError> {
    let (certificate, key) = (leaf_spec.dir.join(CERTIFICATE), leaf_spec.dir.join(KEY));
    if !files::exists(&certificate)? && !files::exists(&key)? {
        return Ok(Err(IssueReason::Missing));
    }
    let pair = match Pair::read(&certificate, &key) {
        Ok(pair) => pair,
        // An unreadable file may still be valid.
        Err(e) if e.fault != Fault::Content => return Err(e),
        Err(e) => {
            // Two valid files that do not match, or only one file, come from a crash between the two writes. An
            // invalid file does not: the operator must know of it before a new certificate is made.
            for (file, fault) in
                [(&certificate, pair::read_chain(&certificate).err()), (&key, pair::read_key(&key).err())]
            {
                if let Some(fault) = fault.filter(|_| files::exists(file).unwrap_or(true)) {
                    let remedy =
                        "restore it, or move server.pem and server.key away: then the CA signs a new one";
                    return Err(content(file, format!("{}; {remedy}", fault.reason)));
                }
            }
            return Ok(Err(IssueReason::Broken(e.to_string())));
        }
    };
    if let Some(why) = pair.facts.validity_fault(now) {
        return Ok(Err(IssueReason::Broken(format!("{}: {why}", certificate.display()))));
    }
    if let Err(why) = pair.verify(&ca.der, now) {
        return Ok(Err(IssueReason::Broken(format!("{}: {why}", certificate.display()))));
    }
    if pair.facts.names != leaf_spec.names {
        return Ok(Err(IssueReason::Names));
    }
    if is_due(&pair.facts, &ca.facts, now) {
        return Ok(Err(IssueReason::Due));
    }
    pair.with_ca(&ca.der).map(Ok).map_err(|why| content(&certificate, why))
}

/// Whether two thirds of a leaf's validity are over. False if a new one would end on the same day: otherwise a
/// CA's last weeks would be spent on issuing.
pub(super) fn is_due(leaf: &Facts, ca: &Facts, now: SystemTime) -> bool {
    let validity = leaf.not_after.duration_since(leaf.not_before).unwrap_or_default();
    now >= leaf.not_before + validity * 2 / 3 && leaf.not_after < ca.not_after
}

/// Makes the missing files.
pub(super) fn ensure(
    leaf_spec: &LeafSpec,
    now: SystemTime,
    at: Occasion,
) -> Result<(Box<Ca>, Pair, Vec<TlsNote>), TlsError> {
    if at == Occasion::Running && !files::exists(&leaf_spec.dir)? {
        return Err(ca_missing(leaf_spec));
    }
    let folder = Folder::open(&leaf_spec.dir)?;
    let mut notes = Vec::new();
    let (ca, reason) = match inspect_folder(leaf_spec, now)? {
        FolderState::All(ca, _) if at == Occasion::Renewal => (ca, IssueReason::Requested),
        FolderState::All(ca, pair) => return Ok((ca, *pair, notes)),
        FolderState::Ca(ca, reason) => (ca, reason),
        _ if at == Occasion::Running => return Err(ca_missing(leaf_spec)),
        found => {
            make_ca(&folder, leaf_spec, matches!(found, FolderState::OnlyCaKey), now)?;
            let ca = Box::new(Ca::read(&leaf_spec.dir, now)?);
            notes.push(TlsNote::CaMade { file: leaf_spec.dir.join(CA_CERTIFICATE), pin: ca.facts.pin });
            (ca, IssueReason::Missing)
        }
    };
    let certificate = leaf_spec.dir.join(CERTIFICATE);
    let minted = ca.signer.leaf(&leaf_spec.names, now).map_err(|e| mint::failed(&certificate, &e))?;
    folder.write(KEY, 0o600, minted.key.as_bytes())?;
    folder.write(CERTIFICATE, 0o644, format!("{}{}", minted.certificate, ca.pem).as_bytes())?;
    let pair = match leaf_of(leaf_spec, &ca, now)? {
        Ok(pair) => pair,
        Err(reason) => return Err(content(&certificate, format!("it was issued just now, yet {reason}"))),
    };
    let until = pair.facts.not_after;
    notes.push(TlsNote::LeafIssued { file: certificate, reason, until });
    Ok((ca, pair, notes))
}

/// The error for a CA that has disappeared.
fn ca_missing(leaf_spec: &LeafSpec) -> TlsError {
    let reason = "the CA was removed while tcp-chatd was using it. Restore ca.pem, ca.key, server.pem and server.key; \
                  the loaded ones stay in use. To start with a new CA, which every client must be given, restart \
                  tcp-chatd";
    content(&leaf_spec.dir.join(CA_CERTIFICATE), reason.into())
}

fn make_ca(folder: &Folder, leaf_spec: &LeafSpec, has_key: bool, now: SystemTime) -> Result<(), TlsError> {
    let file = leaf_spec.dir.join(CA_KEY);
    let key = if has_key {
        read_ca_key(&file)?
    } else {
        let key = mint::ca_key().map_err(|e| mint::failed(&file, &e))?;
        folder.write_new(CA_KEY, 0o600, Zeroizing::new(key.serialize_pem()).as_bytes())?;
        key
    };
    let file = leaf_spec.dir.join(CA_CERTIFICATE);
    let pem = mint::ca(&key, &leaf_spec.host, now).map_err(|e| mint::failed(&file, &e))?;
    folder.write_new(CA_CERTIFICATE, 0o644, pem.as_bytes())
}

impl Ca {
    /// Reads the CA. Each error names the file and the remedy, since the CA is never minted again.
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
            return Err(content(&file, "its certificate is not a CA's, so it cannot sign others".into()));
        }
        if let Some(why) = facts.validity_fault(now) {
            let reason = format!(
                "{why}. To start with a new CA, which every client must be given, move all of \
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
            .map_err(|_| content(&file, "it is not a text, so it is not PEM".into()))?;
        let signer = Signer::new(&pem, key, facts.not_after).map_err(|e| mint::failed(&file, &e))?;
        Ok(Self { der: der.clone(), pem, facts, signer })
    }

    /// A client certificate for a key of the user.
    pub(super) fn sign(
        &self,
        key: &impl PublicKeyData,
        name: &str,
        now: SystemTime,
    ) -> Result<rcgen::Certificate, rcgen::Error> {
        self.signer.client_for(key, name, now)
    }

    /// A client certificate for a user, followed by the CA's.
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
