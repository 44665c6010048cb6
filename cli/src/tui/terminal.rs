//! Owns the terminal: how it is taken over and given back, also where the program panics, and what
//! comes from it. Used by `shell`. Never knows what is drawn.

use super::basic::Out;
use super::model::command::Notify;
use super::model::{Input, Model};
use super::view::{self, ascii::to_ascii, palette::Palette};
use crate::exit::Exit;
use crate::terminal_kind::is_ascii;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture, Event, read,
};
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::Rect;
use std::io::{self, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// What was typed and not taken yet, at most.
const TYPED: usize = 256;

/// Is the terminal taken over?
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is taken over; dropped, it is given back.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Out<Stdout>>>,
    palette: Palette,
    ascii: bool,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn take(palette: Palette, mouse: bool) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            // First the terminal, then the words: on the screen that is left nobody would read them.
            // Then the end: whichever thread it was, the others would draw over the words.
            std::panic::set_hook(Box::new(move |info| {
                let _out = io::stdout().lock();
                let taken = give_back();
                before(info);
                if taken {
                    std::process::exit(i32::from(Exit::Other as u8));
                }
            }));
        });
        #[cfg(unix)]
        super::dying::give_back_first();
        take_over(mouse)?;
        let out = Out::new(io::stdout(), palette == Palette::Basic);
        match Terminal::new(CrosstermBackend::new(out)) {
            Ok(terminal) => Ok(Self { terminal, palette, ascii: is_ascii(), mouse }),
            Err(e) => {
                give_back();
                Err(e)
            }
        }
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Draws what has changed, as one update.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn draw(&mut self, model: &Model) -> io::Result<()> {
        let (palette, ascii) = (self.palette, self.ascii);
        execute!(io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            view::draw(frame, model, palette);
            if ascii {
                to_ascii(frame.buffer_mut());
            }
        })?;
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    /// Forgets what is on the screen, so that the next draw paints all of it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn repaint(&mut self) -> io::Result<()> {
        // Not `clear`, which asks the terminal where the cursor is: the answer would be typed input.
        let (width, height) = self.size()?;
        self.terminal.resize(Rect::new(0, 0, width, height))
    }

    /// The mouse is the program's, or the terminal's.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn mouse(&mut self, ours: bool) -> io::Result<()> {
        self.mouse = ours;
        if ours {
            execute!(io::stdout(), EnableMouseCapture)
        } else {
            execute!(io::stdout(), DisableMouseCapture)
        }
    }

    /// Makes something known outside of the screen. The text must be neutralised.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn ring(&mut self, how: Notify, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match how {
            Notify::Bell => out.write_all(b"\x07")?,
            Notify::Osc9 => write!(out, "\x1b]9;{text}\x07")?,
            Notify::Off => {}
        }
        out.flush()
    }

    /// Stops the program as Ctrl-Z does elsewhere, until the shell lets it go on.
    ///
    /// # Errors
    /// The system's.
    #[cfg(unix)]
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        let stopped = signal_hook::low_level::raise(signal_hook::consts::SIGTSTP);
        self.resume()?;
        stopped
    }

    /// Takes the terminal again and paints all of it: after a stop it is as the shell left it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        // Raw mode is only entered where it was left before. Never without need: a key that comes
        // in between is read as a shell's, Enter as Ctrl-J (after Ctrl-Z this runs twice).
        if !is_raw() {
            disable_raw_mode()?;
        }
        take_over(self.mouse)?;
        self.repaint()
    }

    /// There is no such thing on this system.
    #[cfg(not(unix))]
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Is the terminal in raw mode, whatever was done to it behind our back?
fn is_raw() -> bool {
    #[cfg(unix)]
    return rustix::termios::tcgetattr(io::stdin())
        .is_ok_and(|modes| !modes.local_modes.contains(rustix::termios::LocalModes::ICANON));
    #[cfg(not(unix))]
    false
}

fn take_over(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    // Where there is no alternate screen, what stood there would shine through.
    execute!(
        io::stdout(),
        EnterAlternateScreen,
        ResetColor,
        Clear(ClearType::All),
        EnableBracketedPaste,
        EnableFocusChange
    )?;
    if mouse {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back as it was. Once: what is not taken is left alone. Was it taken?
pub(super) fn give_back() -> bool {
    let taken = TAKEN.swap(false, Ordering::SeqCst);
    if taken {
        // Where the terminal is gone there is nothing to give back.
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableFocusChange,
            DisableBracketedPaste,
            // Where there is no alternate screen, the chat would stay, with the prompt in its midst.
            ResetColor,
            Clear(ClearType::All),
            cursor::MoveTo(0, 0),
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode(); // As above.
    }
    taken
}

/// What comes from the terminal, read in a thread of its own, which ends with the program or the
/// terminal.
pub(crate) fn inputs() -> mpsc::Receiver<Input> {
    let (inputs, out) = mpsc::channel(TYPED);
    std::thread::spawn(move || {
        while let Ok(event) = read() {
            if inputs.blocking_send(input_of(event)).is_err() {
                break;
            }
        }
    });
    out
}

/// What was typed, as the model takes it.
fn input_of(typed: Event) -> Input {
    match typed {
        Event::Key(key) => Input::Key(key),
        Event::Mouse(mouse) => Input::Mouse(mouse),
        Event::Paste(text) => Input::Paste(text),
        Event::Resize(columns, rows) => Input::Resize(columns, rows),
        Event::FocusGained => Input::Focus(true),
        Event::FocusLost => Input::Focus(false),
    }
}
