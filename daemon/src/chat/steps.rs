//! Owns the count of steps: in tests each comparison and each hash of an id is one, and so is each user,
//! certificate and grant that a listing passes, and what is computed of a name. The test of `tests/steps.rs` holds that count against the
//! size of the server. Outside of tests nothing is counted and the ids are plain numbers.

/// An id that counts, in tests, how often it is compared or hashed.
macro_rules! counted_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        #[cfg_attr(not(test), derive(PartialEq, Eq, PartialOrd, Ord, Hash))]
        pub struct $name(pub $inner);

        #[cfg(test)]
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                crate::chat::steps::tick();
                self.0 == other.0
            }
        }

        #[cfg(test)]
        impl Eq for $name {}

        #[cfg(test)]
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        #[cfg(test)]
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                crate::chat::steps::tick();
                self.0.cmp(&other.0)
            }
        }

        #[cfg(test)]
        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                crate::chat::steps::tick();
                self.0.hash(state);
            }
        }
    };
}
pub(super) use counted_id;

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// One step more.
#[inline]
pub(super) fn tick() {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

/// To look a name up costs steps where what it is compared by is not there yet: computing that takes as long as a
/// thousand comparisons for some names.
#[inline]
pub(super) fn compares(name: &tcp_chat_protocol::Name) {
    #[cfg(test)]
    if !name.is_prepared() {
        STEPS.with(|steps| steps.set(steps.get() + NOT_PREPARED));
    }
    let _ = name;
}

/// What a name costs that was not prepared when it was parsed.
#[cfg(test)]
pub(super) const NOT_PREPARED: u64 = 1000;

/// What this does counts for nothing: it is what stands for the rest of the daemon.
#[cfg(test)]
pub(super) fn uncounted<T>(act: impl FnOnce() -> T) -> T {
    let before = so_far();
    let done = act();
    STEPS.with(|steps| steps.set(before));
    done
}

/// The steps of this thread so far.
#[cfg(test)]
pub(crate) fn so_far() -> u64 {
    STEPS.with(std::cell::Cell::get)
}
