//! Owns the count of steps, for tests. Each comparison and each hash of an id is one step, and so is each user,
//! certificate and grant that a listing passes, and what is computed of a name. The test `edge/tests/steps.rs` of the
//! daemon holds the count against the size of the server. Without the feature `test-support` nothing is counted, and
//! the ids are plain numbers.

/// An id that counts, in tests, how often it is compared or hashed.
macro_rules! counted_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(not(any(test, feature = "test-support")), derive(PartialEq, Eq, PartialOrd, Ord, Hash))]
        pub struct $name(pub $inner);

        #[cfg(any(test, feature = "test-support"))]
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                crate::steps::tick();
                self.0 == other.0
            }
        }

        #[cfg(any(test, feature = "test-support"))]
        impl Eq for $name {}

        #[cfg(any(test, feature = "test-support"))]
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        #[cfg(any(test, feature = "test-support"))]
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                crate::steps::tick();
                self.0.cmp(&other.0)
            }
        }

        #[cfg(any(test, feature = "test-support"))]
        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                crate::steps::tick();
                self.0.hash(state);
            }
        }
    };
}
pub(crate) use counted_id;

#[cfg(any(test, feature = "test-support"))]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// One step more.
#[inline]
pub(crate) fn tick() {
    #[cfg(any(test, feature = "test-support"))]
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

/// A search by name costs steps if the folded form of the name is not computed yet: for some names that takes as long
/// as a thousand comparisons.
#[inline]
pub(crate) fn compares(name: &tcp_chat_protocol::Name) {
    #[cfg(any(test, feature = "test-support"))]
    if !name.is_prepared() {
        STEPS.with(|steps| steps.set(steps.get() + NOT_PREPARED));
    }
    let _ = name;
}

/// The cost of a name that was not prepared when it was parsed.
#[cfg(any(test, feature = "test-support"))]
pub const NOT_PREPARED: u64 = 1000;

/// The steps of this call are not counted: it stands for another part of the daemon.
#[cfg(any(test, feature = "test-support"))]
pub fn uncounted<T>(act: impl FnOnce() -> T) -> T {
    let before = so_far();
    let done = act();
    STEPS.with(|steps| steps.set(before));
    done
}

/// The steps of this thread so far.
#[cfg(any(test, feature = "test-support"))]
pub fn so_far() -> u64 {
    STEPS.with(std::cell::Cell::get)
}
