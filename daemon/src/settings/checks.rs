//! Owns the rules between settings: which need each other, and which exclude each other. Called after all
//! settings are read. Notes all problems. Reads no file except the secrets that the settings need (`secrets`).

use super::reader::SettingsReader;
use super::{Auth, AuthMode, ClientAuth, Limits, Listen, Origin, Problem, Settings, Tls, Web};
use tcp_chat_protocol::Name;

/// The longest path of a Unix socket on Linux, in bytes.
const SOCKET_PATH_BYTES: usize = 107;

impl SettingsReader<'_> {
    /// Checks all settings, and reads the secrets.
    pub(super) fn check(&mut self, settings: &mut Settings) {
        self.check_listen(&mut settings.listen);
        self.check_certificate(&settings.tls);
        self.check_client_auth(&settings.tls);
        self.check_web(&settings.web, &settings.listen);
        self.check_auth(&mut settings.auth);
        self.check_limits(&settings.limits, settings.rooms.default.len());
        if settings.rooms.default.is_empty() && !self.is_refused("rooms.default") {
            self.refuse("rooms.default", "the list is empty; name at least the room that a login enters");
        }
        let socket = settings.admin.socket.as_ref().map_or(0, |path| path.as_os_str().len());
        if socket > SOCKET_PATH_BYTES {
            let reason = format!(
                "the path of a socket has at most {SOCKET_PATH_BYTES} bytes, and this one has {socket}"
            );
            self.refuse("admin.socket", reason);
        }
        if let Some(secret) = &mut settings.http.token_file {
            self.read_token(secret);
        }
        if settings.http.address.is_some() {
            self.check_http(settings);
        }
        self.check_cluster(settings);
    }

    /// The environment variable `PORT` sets the port of all addresses.
    fn check_listen(&mut self, listen: &mut Listen) {
        const KEY: &str = "listen.address";
        let Listen { address } = listen;
        if address.is_empty() && !self.is_refused(KEY) {
            self.refuse(KEY, "the list is empty; name at least one address");
        }
        // A flag of the operator has priority over the platform's PORT.
        let port = self.environment.port().filter(|_| self.layers.origin(KEY) != Origin::Flag);
        match port.map(|port| port.parse::<u16>().map_err(|_| port)) {
            Some(Ok(port)) => address.iter_mut().for_each(|address| address.set_port(port)),
            Some(Err(port)) => self.layers.problems.push(Problem {
                place: "environment variable PORT".to_owned(),
                key: KEY.to_owned(),
                reason: format!("{port:?} is not a port: 0 to 65535"),
                excerpt: None,
            }),
            None => {}
        }
        let twice = address.iter().enumerate().find(|(i, a)| a.port() != 0 && address[..*i].contains(a));
        if let Some((_, twice)) = twice {
            self.refuse(KEY, format!("{twice} is in it twice"));
        }
    }

    fn check_certificate(&mut self, tls: &Tls) {
        match (&tls.certificate, &tls.key) {
            (Some(_), None) if !self.is_set("tls.key") => {
                self.refuse("tls.certificate", "it needs tls.key beside it: the file with its key");
            }
            (None, Some(_)) if !self.is_set("tls.certificate") => {
                self.refuse("tls.key", "it needs tls.certificate beside it: the file with its chain");
            }
            (Some(_), Some(_)) if !tls.names.is_empty() => {
                let reason = "names are for the daemon's own certificate, and tls.certificate replaces that; \
                              remove one of the two";
                self.refuse("tls.names", reason);
            }
            _ => {}
        }
    }

    /// A pair without an address is valid: the service manager can pass a socket.
    fn check_web(&mut self, web: &Web, listen: &Listen) {
        match (&web.certificate, &web.key) {
            (Some(_), None) if !self.is_set("web.key") => {
                self.refuse("web.certificate", "it needs web.key beside it: the file with its key");
            }
            (None, Some(_)) if !self.is_set("web.certificate") => {
                self.refuse("web.key", "it needs web.certificate beside it: the file with its chain");
            }
            (None, None)
                if web.address.is_some() && !self.is_set("web.certificate") && !self.is_set("web.key") =>
            {
                let reason = "it needs web.certificate and web.key beside it: a certificate that browsers know, as \
                              certbot makes it";
                self.refuse("web.address", reason);
            }
            _ => {}
        }
        if web.address.is_some_and(|address| address.port() != 0 && listen.address.contains(&address)) {
            self.refuse("web.address", "that is in listen.address, too; the two need a port each");
        }
    }

    fn check_client_auth(&mut self, tls: &Tls) {
        match (tls.client_auth, &tls.client_ca) {
            (ClientAuth::Off, Some(_)) => {
                let reason = "tls.client_auth is \"off\", so nobody is asked for a certificate; write \
                              client_auth = \"optional\" or \"required\", or remove this";
                self.refuse("tls.client_ca", reason);
            }
            (ClientAuth::Optional | ClientAuth::Required, None)
                if tls.operator_pair().is_some() && !self.is_set("tls.client_ca") =>
            {
                let reason = "with tls.certificate there is no CA of the daemon's own; write tls.client_ca \
                              too: the file with the CA that signs the users' certificates";
                self.refuse("tls.client_auth", reason);
            }
            _ => {}
        }
    }

    fn check_auth(&mut self, auth: &mut Auth) {
        if self.is_refused("auth.mode") {
            return;
        }
        match (auth.mode, &mut auth.password_file) {
            (AuthMode::Password, Some(secret)) => self.read_password(secret),
            (AuthMode::Password, None) if !self.is_set("auth.password_file") => {
                let reason = "\"password\" needs auth.password_file: a file with what \
                              `tcp-chatd password` prints";
                self.refuse("auth.mode", reason);
            }
            (mode @ (AuthMode::Open | AuthMode::Accounts), Some(_)) => {
                let shown = if mode == AuthMode::Open { "open" } else { "accounts" };
                let reason = format!(
                    "auth.mode is \"{shown}\", so nobody would be asked for it; write mode = \"password\" \
                     too, or remove this"
                );
                self.refuse("auth.password_file", reason);
            }
            _ => {}
        }
    }

    fn check_limits(&mut self, limits: &Limits, default_rooms: usize) {
        for (key, limit) in
            [("limits.rooms", limits.rooms), ("limits.rooms_per_session", limits.rooms_per_session)]
        {
            if limit != 0 && default_rooms > limit {
                let reason = format!("{limit} is less than the {default_rooms} rooms of rooms.default");
                self.refuse(key, reason);
            }
        }
        // The line also contains the JSON around the text.
        if limits.msg_bytes + 256 > limits.line_bytes {
            let is_text = self.is_set("limits.msg_bytes");
            let key = if is_text { "limits.msg_bytes" } else { "limits.line_bytes" };
            let reason = format!(
                "a text of {} bytes would not fit a line of {}; leave at least 256 bytes around it",
                limits.msg_bytes, limits.line_bytes
            );
            self.refuse(key, reason);
        }
    }

    /// Checks the settings that the HTTP endpoint needs, if it is on.
    fn check_http(&mut self, settings: &Settings) {
        let http = &settings.http;
        if http.token_file.is_none() && !self.is_set("http.token_file") {
            let reason = "it needs http.token_file beside it: a file with the token that machines send";
            self.refuse("http.address", reason);
        }
        if http.rooms.is_empty() && !self.is_refused("http.rooms") {
            let reason = "it needs http.rooms beside it: the rooms that machines may post to";
            self.refuse("http.address", reason);
        }
        if http.address == settings.metrics.address && http.address.is_some_and(|address| address.port() != 0)
        {
            self.refuse("http.address", "that is metrics.address; the two need a port each");
        }
        // A room of one list must not look like a room of the other; the same room may be in both.
        for room in &http.rooms {
            let is_twin = |other: &&Name| other.key() != room.key() && other.looks_like(room);
            if let Some(twin) = settings.rooms.default.iter().find(is_twin) {
                let reason = format!("\"{room}\" looks like {twin}, which is in rooms.default: rename one");
                self.refuse("http.rooms", reason);
            }
        }
    }
}
