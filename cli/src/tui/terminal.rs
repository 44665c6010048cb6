//! Owns the terminal: takes it over and restores it, also after a panic, and reads its input. Used by `shell`.
//! Never knows the drawn content.

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

/// The largest amount of input that waits.
const TYPED: usize = 256;

/// Whether the terminal is taken over.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is taken over; the drop restores it.
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
            // First the terminal, then the message: the alternate screen would hide it.
            // Then the end: other threads would draw over the message.
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
        super::fatal_signals::give_back_first();
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

    /// Invalidates the screen, so that the next draw paints all of it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn repaint(&mut self) -> io::Result<()> {
        // Not `clear`, which queries the cursor: the answer would appear as input.
        let (width, height) = self.size()?;
        self.terminal.resize(Rect::new(0, 0, width, height))
    }

    /// Gives the mouse to the program, or to the terminal.
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

    /// Notifies outside of the screen. The text must be neutralised.
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

    /// Suspends the program as Ctrl-Z does elsewhere, until the shell continues it.
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

    /// Takes the terminal again and paints all of it: the shell has changed it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        // Enters raw mode only if it was left. Otherwise a key in between would be read as in a shell, Enter as
        // Ctrl-J (after Ctrl-Z this runs twice).
        if !is_raw() {
            disable_raw_mode()?;
        }
        take_over(self.mouse)?;
        self.repaint()
    }

    /// This system has no job control.
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

/// Whether the terminal is in raw mode, even if another program changed it.
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
    // Without an alternate screen, the old content would shine through.
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

/// Restores the terminal, once. Returns whether it was taken over.
pub(super) fn give_back() -> bool {
    let taken = TAKEN.swap(false, Ordering::SeqCst);
    if taken {
        // If the terminal is gone, there is nothing to restore.
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableFocusChange,
            DisableBracketedPaste,
            // Without an alternate screen, the chat would stay, with the prompt inside.
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

/// The events of the terminal, read on a thread of its own that ends with the program or the terminal.
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

/// The input in the form of the model.
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
