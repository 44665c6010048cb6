//! Owns ROOM with a topic: what a room is for. Called by `action`. The protocol has checked its length. Never decides
//! who may set it: `authorize` does.

use crate::permissions::authorize::Permission;
use crate::permissions::checks::Actor;
use crate::{Answer, By, Change, State};
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::Place;

impl State {
    /// Sets the topic of a room, or removes it with an empty one. The topic that it has already changes nothing.
    pub(crate) fn set_topic(&mut self, actor: Actor, place: &Place, topic: &str) -> Answer<ActReply> {
        #[cfg(any(test, feature = "next-behaviour"))]
        let topic = &*self.next_topic(topic);
        let room = self.scope(actor, Some(place))?;
        let Some(room) = room else { return Err(self.no_room(actor, place.0.as_ref())) };
        let by_members = self.rules.topic_by_members && !self.permissions.has_moderator(room);
        self.allow(actor, Some(room), Permission::SetTopic { by_members })?;
        let reply = ActReply {
            room: self.room_name(Some(room)),
            topic: Some(topic.to_owned()),
            ..ActReply::default()
        };
        let Some(conversation) = self.conversations.get(room) else { return Ok(reply) };
        if conversation.topic.as_deref().unwrap_or_default() == topic {
            return Ok(reply);
        }
        let new = Some(topic).filter(|topic| !topic.is_empty()).map(Box::from);
        let name = conversation.room().cloned();
        self.conversations.set_topic(room, new.clone());
        self.turn.writes.topics.push((room, new));
        let what = if topic.is_empty() { "removed" } else { "set" };
        self.record(actor, "topic", None, Some(room), Some(what), None, "");
        let by = self.by(actor).and_then(|by| match by {
            By::User(name) => Some(name),
            By::Operator(_) => None,
        });
        if let Some(name) = name {
            self.report(Change::Topic { room, name, topic: topic.into(), by });
        }
        Ok(reply)
    }

    /// The topic under the behaviour of the tests.
    #[cfg(any(test, feature = "next-behaviour"))]
    fn next_topic<'a>(&self, topic: &'a str) -> std::borrow::Cow<'a, str> {
        use crate::behaviour::{NEXT, NEXT_TOPIC};
        if self.behaviour < NEXT || topic.is_empty() {
            topic.into()
        } else {
            format!("{topic}{NEXT_TOPIC}").into()
        }
    }
}
