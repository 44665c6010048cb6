//! Owns the second column of the index: the conversation, the participants and the author of a message as words.
//! One lookup in the index then answers all parts of a search. Called by the index and by searches.

use crate::Message;
use std::fmt::Write;

/// Writes the tags of a message, in place of what `tags` has.
pub(crate) fn write(tags: &mut String, message: &Message<'_>) {
    tags.clear();
    // Writing into memory cannot fail.
    let _ = write!(tags, "c{} ", message.conversation);
    if let Some((a, b)) = message.participants {
        let _ = write!(tags, "d{a} ");
        if a != b {
            let _ = write!(tags, "d{b} ");
        }
    }
    if !message.author.is_empty() {
        write_author(tags, message.author);
    }
}

/// The part of an expression that names conversations: these, and all direct messages of one user, which are one
/// word however many there are.
pub(crate) fn in_conversations(conversations: &[i64], direct_messages_of: Option<i64>) -> String {
    let mut tags = String::from("{_tags_} : (");
    let direct = direct_messages_of.map(|user| ('d', user));
    for (i, (kind, id)) in conversations.iter().map(|id| ('c', *id)).chain(direct).enumerate() {
        let or = if i == 0 { "" } else { " OR " };
        let _ = write!(tags, "{or}{kind}{id}");
    }
    tags.push(')');
    tags
}

/// The part of an expression that names the author.
pub(crate) fn by(author: &str) -> String {
    let mut tags = String::from("{_tags_} : ");
    write_author(&mut tags, author);
    tags
}

/// One word for an author, whatever characters the name has.
fn write_author(tags: &mut String, author: &str) {
    tags.push('u');
    for byte in author.bytes() {
        let _ = write!(tags, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_direct_messages_of_a_user_are_one_word() {
        assert_eq!(in_conversations(&[1], Some(1)), "{_tags_} : (c1 OR d1)");
        assert_eq!(by("an"), "{_tags_} : u616e");
        let mut tags = "old".to_owned();
        let message = Message { seq: 1, conversation: 5, participants: Some((3, 3)), author: "", text: "" };
        write(&mut tags, &message);
        assert_eq!(tags, "c5 d3 ");
        write(&mut tags, &Message { participants: Some((3, 4)), author: "an", ..message });
        assert_eq!(tags, "c5 d3 d4 u616e");
    }
}
