//! Owns the decoder of what a peer sends: turns frames, in pieces of any size, into the text of their messages, in place.
//! Called by `stream`. Pure: it reports pings and errors, and `stream` answers them. Never keeps text, only an incomplete
//! head or control frame.

use super::frame::{CONTROL_BYTES, Fault, HEAD_BYTES, Head, Kind, close_code, unmask};

/// The reason why the peer has stopped sending text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It sent a Close frame.
    Closed,
    /// It broke the protocol.
    Fault(Fault),
}

/// The state of the decoder between two pieces.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// An incomplete head.
    head: [u8; HEAD_BYTES],
    head_length: u8,
    /// The frame whose payload is being read, and the number of bytes read of it.
    frame: Option<(Head, u64)>,
    /// A message has begun and not ended.
    is_in_message: bool,
    /// The last byte of the message was not a newline.
    is_in_line: bool,
    /// A newline must be added, and the buffer had no room for it.
    owes_newline: bool,
    /// The payload of an incomplete control frame.
    control: Vec<u8>,
    ping: Option<Vec<u8>>,
    end: Option<End>,
}

impl Incoming {
    /// Decodes received bytes, and moves the text in them to the beginning of `bytes`. Returns the length of the text. The
    /// rest of `bytes` is filled with zeros, because a payload may be a secret.
    pub(crate) fn take(&mut self, bytes: &mut [u8]) -> usize {
        let (mut read, mut written) = (0, 0);
        while read < bytes.len() && self.end.is_none() {
            let Some((head, done)) = self.frame else {
                self.take_head_byte(bytes[read]);
                read += 1;
                if self.is_text() && self.owes_newline {
                    // There is room: the frame's head was in `bytes`.
                    written = self.add_newline(bytes, written);
                }
                self.end_frame();
                continue;
            };
            let left = usize::try_from(head.length - done).unwrap_or(usize::MAX).min(bytes.len() - read);
            let payload = read..read + left;
            unmask(&mut bytes[payload.clone()], head.mask, (done % 4) as usize);
            if matches!(head.kind, Kind::Text | Kind::Continuation) {
                bytes.copy_within(payload.clone(), written);
                written += left;
                self.is_in_line = bytes[written - 1] != b'\n';
            } else {
                self.control.extend_from_slice(&bytes[payload]);
            }
            read += left;
            self.frame = Some((head, done + left as u64));
            self.end_frame();
        }
        if self.owes_newline {
            written = self.add_newline(bytes, written);
        }
        bytes[written..].fill(0);
        written
    }

    /// The newline for which [`Incoming::take`] had no room, once.
    pub(crate) fn take_owed_newline(&mut self) -> Option<u8> {
        std::mem::take(&mut self.owes_newline).then_some(b'\n')
    }

    /// The payload of the last ping, once.
    pub(crate) fn take_ping(&mut self) -> Option<Vec<u8>> {
        self.ping.take()
    }

    /// Whether a ping waits for its answer.
    pub(crate) fn has_ping(&self) -> bool {
        self.ping.is_some()
    }

    /// Whether a newline or the answer to a ping is owed.
    pub(crate) fn is_due(&self) -> bool {
        self.owes_newline || self.has_ping()
    }

    /// The reason why the peer has stopped sending text. `None`: it may send more.
    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    fn is_text(&self) -> bool {
        self.frame.is_some_and(|(head, _)| matches!(head.kind, Kind::Text | Kind::Continuation))
    }

    fn add_newline(&mut self, bytes: &mut [u8], written: usize) -> usize {
        let Some(room) = bytes.get_mut(written) else { return written };
        *room = b'\n';
        self.owes_newline = false;
        written + 1
    }

    fn take_head_byte(&mut self, byte: u8) {
        let at = usize::from(self.head_length);
        if let Some(place) = self.head.get_mut(at) {
            *place = byte;
        }
        self.head_length += 1;
        match Head::read(&self.head[..=at]) {
            Ok(None) => {}
            Ok(Some(head)) => {
                self.head_length = 0;
                self.begin(head);
            }
            Err(fault) => self.end = Some(End::Fault(fault)),
        }
    }

    fn begin(&mut self, head: Head) {
        let fault = |reason| Some(End::Fault(Fault { code: 1002, reason }));
        match head.kind {
            Kind::Text if self.is_in_message => self.end = fault("a message within a message"),
            Kind::Continuation if !self.is_in_message => {
                self.end = fault("a continuation without a first frame")
            }
            _ => self.frame = Some((head, 0)),
        }
    }

    /// Ends the frame if its payload is whole.
    fn end_frame(&mut self) {
        let Some((head, _)) = self.frame.take_if(|(head, done)| head.length == *done) else { return };
        match head.kind {
            Kind::Text | Kind::Continuation => {
                self.is_in_message = !head.is_last;
                if head.is_last {
                    self.owes_newline |= std::mem::take(&mut self.is_in_line);
                }
            }
            Kind::Close => {
                self.end = Some(close_code(&self.control).map_or_else(End::Fault, |_| End::Closed));
            }
            Kind::Ping => self.ping = Some(std::mem::take(&mut self.control)),
            Kind::Pong => {}
        }
        debug_assert!(self.control.len() <= CONTROL_BYTES);
        self.control = Vec::new();
    }
}

#[cfg(test)]
mod tests;
