//! Owns the published copy of the registered users, and of who else may log in. The hub publishes the users once a change
//! is kept, and a policy once it counts; connections check passwords and codes against them. Never decides: the state
//! checks again when it applies the login.

use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tcp_chat_state::{Access, Users};

/// The registered users. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    users: Arc<ArcSwap<Users>>,
    /// By the policy of the state. In a cluster it may differ from this node's settings.
    access: Arc<ArcSwap<Access>>,
    /// Until when a client without a certificate may connect to fetch one, in milliseconds since 1970.
    fetching_until: Arc<AtomicU64>,
}

impl Directory {
    /// All registered users, as they are now.
    #[must_use]
    pub fn users(&self) -> Arc<Users> {
        self.users.load_full()
    }

    /// An empty one, which also tells TLS until when a client without a certificate may connect.
    #[must_use]
    pub fn new(fetching_until: Arc<AtomicU64>) -> Self {
        Self { fetching_until, ..Self::default() }
    }

    /// Which users may log in under a name that nobody owns. Before the hub has started: none.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
        self.access.load_full()
    }

    pub(super) fn publish_access(&self, access: &Access) {
        self.access.store(Arc::new(access.clone()));
    }

    pub(super) fn publish(&self, users: &Arc<Users>) {
        if !Arc::ptr_eq(&self.users.load(), users) {
            self.fetching_until.store(users.fetching_until(), Ordering::Relaxed);
            self.users.store(Arc::clone(users));
        }
    }
}
