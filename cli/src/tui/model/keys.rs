//! Owns the key bindings: readline's where it has one, otherwise those of other chats. Part of the model. Never
//! edits text itself.

use super::overlay::Overlay;
use super::{Effect, Model};
use crate::tui::layout;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;
use tcp_chat_client::Conversation;

/// A paste of more lines than this is confirmed first.
const PASTE_LINES: usize = 3;
/// Rows per step of the mouse wheel.
const WHEEL: isize = 3;

/// The keys for `/help`, the man page and `docs/CLIENT.md`.
pub const KEYS: [(&str, &str); 23] = [
    ("Enter", "send"),
    ("Alt-Enter, Ctrl-J", "a new line in the message"),
    ("Tab, Shift-Tab", "complete names, rooms, commands"),
    ("Up, Down (Ctrl-P, Ctrl-N)", "earlier inputs; lines of the input"),
    ("PageUp, PageDown", "scroll; older messages are loaded"),
    ("Shift-Up, Shift-Down, wheel", "scroll by a few lines"),
    ("Ctrl-Home, Ctrl-End, Esc", "the oldest loaded message; the newest"),
    ("Alt-Up, Alt-Down", "the previous conversation, the next"),
    ("Alt-1 to Alt-9", "the conversation with that number"),
    ("Alt-A", "the next conversation with something new"),
    ("Alt-N", "the first unread message"),
    ("Ctrl-A, Ctrl-E (Home, End)", "start and end of the line"),
    ("Ctrl-B, Ctrl-F, Alt-B, Alt-F", "a character or a word back, forward"),
    ("Ctrl-W, Alt-Backspace, Alt-D", "cut a word"),
    ("Ctrl-U, Ctrl-K", "cut to the start or the end of the line"),
    ("Ctrl-Y", "paste what was cut"),
    ("Ctrl-T", "swap two characters"),
    ("Ctrl-D", "delete a character; quit if empty"),
    ("Ctrl-C", "discard the input; quit if empty"),
    ("Ctrl-L", "redraw the screen"),
    ("Ctrl-Z", "suspend, until `fg`"),
    ("F1", "this help"),
    ("Esc, q", "close the box over the screen"),
];

impl Model {
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('l') if ctrl => return vec![Effect::Repaint],
            KeyCode::Char('z') if ctrl => return vec![Effect::Suspend],
            _ => {}
        }
        if self.login.is_some() {
            return self.login_key(key, ctrl, alt);
        }
        if self.overlay.is_some() {
            return self.overlay_key(key, ctrl);
        }
        if !matches!(key.code, KeyCode::Tab | KeyCode::BackTab) && self.completion.take().is_some() {
            // The hint belonged to the completion.
            self.notice.take_if(|n| !n.error);
        }
        let effects = match (key.code, ctrl, alt) {
            (KeyCode::Tab, ..) => {
                self.complete(false);
                Vec::new()
            }
            (KeyCode::BackTab, ..) => {
                self.complete(true);
                Vec::new()
            }
            (KeyCode::Enter, false, false) if !key.modifiers.contains(KeyModifiers::SHIFT) => self.enter(),
            (KeyCode::Enter, ..) | (KeyCode::Char('j'), true, _) => {
                self.editor.insert("\n");
                Vec::new()
            }
            (KeyCode::F(1), ..) => {
                self.overlay = Some(Overlay::Help { scroll: 0 });
                Vec::new()
            }
            (KeyCode::Char('c'), true, _) => {
                if self.editor.is_empty() {
                    return vec![Effect::Quit];
                }
                let dropped = self.editor.take();
                self.editor.remember(&dropped);
                Vec::new()
            }
            (KeyCode::Char('d'), true, _) if self.editor.is_empty() => return vec![Effect::Quit],
            (KeyCode::PageUp, ..) => self.scroll_page(true),
            (KeyCode::PageDown, ..) => self.scroll_page(false),
            (KeyCode::Home, true, _) => self.scroll_to_top(),
            (KeyCode::End, true, _) | (KeyCode::Esc, ..) => {
                self.notice = None;
                self.marked = None;
                self.scroll_to_end()
            }
            (KeyCode::Up, _, true) => self.beside(true),
            (KeyCode::Down, _, true) => self.beside(false),
            (KeyCode::Up, false, _) if key.modifiers.contains(KeyModifiers::SHIFT) => self.scroll(-1),
            (KeyCode::Down, false, _) if key.modifiers.contains(KeyModifiers::SHIFT) => self.scroll(1),
            (KeyCode::Char(digit @ '1'..='9'), false, true) => self.show(usize::from(digit as u8 - b'1')),
            (KeyCode::Char('a'), false, true) => self.next_unread(),
            (KeyCode::Char('n'), false, true) => {
                let new = self.talk().and_then(|t| t.new_from);
                new.map_or_else(Vec::new, |seq| self.scroll_to(seq))
            }
            _ => {
                if !edit(&mut self.editor, key, ctrl, alt) {
                    self.error("the input is full");
                }
                Vec::new()
            }
        };
        self.settle_view();
        effects
    }

    fn login_key(&mut self, key: KeyEvent, ctrl: bool, alt: bool) -> Vec<Effect> {
        let Some(login) = &mut self.login else { return Vec::new() };
        match (key.code, ctrl) {
            (KeyCode::Char('c' | 'd'), true) | (KeyCode::Esc, _) => return vec![Effect::Quit],
            (KeyCode::Enter, _) => return self.log_in(),
            _ if login.trying => {}
            (KeyCode::Tab | KeyCode::Down, _) => login.step(false),
            (KeyCode::BackTab | KeyCode::Up, _) => login.step(true),
            (KeyCode::Char('j'), true) => {}
            _ => {
                edit(login.editor(), key, ctrl, alt);
            }
        }
        Vec::new()
    }

    fn overlay_key(&mut self, key: KeyEvent, ctrl: bool) -> Vec<Effect> {
        let page = isize::try_from((self.size.1 / 2).max(1)).unwrap_or(1);
        let Some(overlay) = &mut self.overlay else { return Vec::new() };
        match (key.code, ctrl) {
            (KeyCode::Esc, _) | (KeyCode::Char('c' | 'g'), true) => self.overlay = None,
            (KeyCode::Char('y') | KeyCode::Enter, false) if matches!(overlay, Overlay::Paste(_)) => {
                if let Some(Overlay::Paste(text)) = self.overlay.take() {
                    self.insert(&text);
                }
            }
            (KeyCode::Char('n'), false) if matches!(overlay, Overlay::Paste(_)) => self.overlay = None,
            (KeyCode::Enter, _) if matches!(overlay, Overlay::Search(_)) => return self.jump(),
            (KeyCode::Char('q'), false) | (KeyCode::F(1), _) => self.overlay = None,
            (KeyCode::Up | KeyCode::Char('k'), false) | (KeyCode::Char('p'), true) => overlay.scroll(-1),
            (KeyCode::Down | KeyCode::Char('j'), false) | (KeyCode::Char('n'), true) => overlay.scroll(1),
            (KeyCode::PageUp, _) => overlay.scroll(-page),
            (KeyCode::PageDown | KeyCode::Char(' '), _) => overlay.scroll(page),
            (KeyCode::Home, _) => overlay.scroll(isize::MIN),
            (KeyCode::End, _) => overlay.scroll(isize::MAX),
            _ => {}
        }
        self.search_on()
    }

    /// The previous conversation, or the next.
    fn beside(&mut self, before: bool) -> Vec<Effect> {
        let count = self.talks.len().max(1);
        self.show((self.current + if before { count - 1 } else { 1 }) % count)
    }

    /// The next conversation with unread messages; those with mentions come first.
    fn next_unread(&mut self) -> Vec<Effect> {
        let count = self.talks.len();
        let others = (1..count).map(|n| (self.current + n) % count);
        let best =
            others.filter(|at| self.talks[*at].unread > 0).min_by_key(|at| self.talks[*at].mentions == 0);
        best.map_or_else(Vec::new, |at| self.show(at))
    }

    pub(super) fn paste(&mut self, text: String) -> Vec<Effect> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if let Some(login) = &mut self.login {
            let line = text.lines().next().unwrap_or_default();
            login.editor().insert(line);
            return Vec::new();
        }
        if self.overlay.is_some() {
            return Vec::new();
        }
        let text = text.trim_end_matches('\n');
        if text.lines().count() > PASTE_LINES {
            self.overlay = Some(Overlay::Paste(text.to_owned()));
        } else {
            self.insert(text);
        }
        Vec::new()
    }

    fn insert(&mut self, text: &str) {
        self.completion = None;
        if !self.editor.insert(text) {
            self.error(format!("not pasted: {} bytes are too many", text.len()));
        }
        self.settle_view();
    }

    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        let at = Position::new(mouse.column, mouse.row);
        let areas = self.areas();
        match (mouse.kind, &mut self.overlay) {
            (MouseEventKind::ScrollUp, Some(overlay)) => overlay.scroll(-1),
            (MouseEventKind::ScrollDown, Some(overlay)) => overlay.scroll(1),
            (MouseEventKind::ScrollUp, None) => return self.scroll(-WHEEL),
            (MouseEventKind::ScrollDown, None) => return self.scroll(WHEEL),
            (MouseEventKind::Down(MouseButton::Left), None) if areas.side.contains(at) => {
                let shown = layout::side_entry(self.talks.len(), self.current, areas.side, mouse.row);
                return shown.map_or_else(Vec::new, |at| self.show(at));
            }
            (MouseEventKind::Down(MouseButton::Left), None) if areas.members.contains(at) => {
                let row = usize::from(mouse.row).saturating_sub(1);
                let user = self.talk().and_then(|t| t.members.get(row)).map(|m| m.user.clone());
                if mouse.row > 0
                    && let Some(user) = user.filter(|u| *u != self.me)
                {
                    let at = self.open(&Conversation::With(user));
                    return self.show(at);
                }
            }
            _ => {}
        }
        self.search_on()
    }
}

/// The keys of readline. `false`: there was no room for the text.
fn edit(e: &mut super::Editor, key: KeyEvent, ctrl: bool, alt: bool) -> bool {
    // AltGr arrives as both on some systems, and types.
    let (ctrl, alt) = if ctrl && alt { (false, false) } else { (ctrl, alt) };
    match (key.code, ctrl, alt) {
        (KeyCode::Char('a'), true, _) | (KeyCode::Home, ..) => e.home(),
        (KeyCode::Char('e'), true, _) | (KeyCode::End, ..) => e.end(),
        (KeyCode::Left, true, _) | (KeyCode::Left | KeyCode::Char('b'), _, true) => e.word_left(),
        (KeyCode::Right, true, _) | (KeyCode::Right | KeyCode::Char('f'), _, true) => e.word_right(),
        (KeyCode::Char('b'), true, _) | (KeyCode::Left, ..) => e.left(),
        (KeyCode::Char('f'), true, _) | (KeyCode::Right, ..) => e.right(),
        (KeyCode::Char('w'), true, _) => e.kill_to_blank(),
        (KeyCode::Backspace, _, true) | (KeyCode::Backspace, true, _) => e.kill_word_before(),
        (KeyCode::Char('d'), _, true) => e.kill_word_after(),
        (KeyCode::Char('u'), true, _) => e.kill_to_start(),
        (KeyCode::Char('k'), true, _) => e.kill_to_end(),
        (KeyCode::Char('y'), true, _) => e.yank(),
        (KeyCode::Char('t'), true, _) => e.transpose(),
        (KeyCode::Char('h'), true, _) | (KeyCode::Backspace, ..) => e.backspace(),
        (KeyCode::Char('d'), true, _) | (KeyCode::Delete, ..) => e.delete(),
        (KeyCode::Char('p'), true, _) => e.older(),
        (KeyCode::Char('n'), true, _) => e.newer(),
        (KeyCode::Up, ..) => e.up(),
        (KeyCode::Down, ..) => e.down(),
        (KeyCode::Char(c), false, false) => return e.insert(c.encode_utf8(&mut [0; 4])),
        _ => {}
    }
    true
}
