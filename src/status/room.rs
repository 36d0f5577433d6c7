//! A status for a resource definition that is older than this program: what it has no room for is left out.
//!
//! Pure. An API server refuses a whole server-side apply for one field that its definition does not know, and names the
//! field; agent and operator leave it out and try again.

use serde_json::Value;

/// What an API server says of such a field, behind its path.
const UNKNOWN: &str = ": field not declared in schema";

/// Takes every field out of the object that an API server's words say it does not know; whether there was one.
pub fn leave_out(object: &mut Value, words: &str) -> bool {
    let mut found = false;
    for (end, _) in words.match_indices(UNKNOWN) {
        let path = words[..end].rsplit(char::is_whitespace).next().unwrap_or_default();
        found |= remove(object, path);
    }
    found
}

/// Removes what is at a path such as `.status.instances[name="mail-0"].services[0].mood`.
fn remove(object: &mut Value, path: &str) -> bool {
    let Some((place, field)) = path.rsplit_once('.') else { return false };
    let mut at = object;
    for part in place.split('.').filter(|part| !part.is_empty()) {
        let (name, keys) = part.split_once('[').unwrap_or((part, ""));
        let Some(next) = at.get_mut(name) else { return false };
        at = next;
        for key in keys.split('[').filter(|key| !key.is_empty()) {
            let Some(next) = item(at, key.trim_end_matches(']')) else { return false };
            at = next;
        }
    }
    at.as_object_mut().is_some_and(|fields| fields.remove(field).is_some())
}

/// The item of a list by its number, or by a field: `name="mail-0"`.
fn item<'a>(list: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let Some((field, value)) = key.split_once('=') else { return list.get_mut(key.parse::<usize>().ok()?) };
    let value: Value = serde_json::from_str(value).ok()?;
    list.as_array_mut()?.iter_mut().find(|item| item[field] == value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn r25_a_field_that_an_older_definition_does_not_know_is_left_out_and_nothing_else() {
        let mut object = json!({"status": {
            "mood": 1, "ready": "7/7",
            "instances": [{"name": "mail-1", "mood": 2}, {"name": "mail-0", "mood": 3, "services": [{}, {"mood": 4}]}],
        }});
        let words = "failed to create typed patch object (post/mail; mailward.dev/v1alpha1, Kind=MessagingServer): ";
        assert!(leave_out(&mut object, &format!("{words}.status.mood{UNKNOWN}")));
        let both = format!(
            "{words}errors:\n  .status.instances[name=\"mail-0\"].mood{UNKNOWN}\n  \
             .status.instances[name=\"mail-0\"].services[1].mood{UNKNOWN}"
        );
        assert!(leave_out(&mut object, &both));
        let left = json!({"status": {
            "ready": "7/7",
            "instances": [{"name": "mail-1", "mood": 2}, {"name": "mail-0", "services": [{}, {}]}],
        }});
        assert_eq!(object, left);
    }

    #[test]
    fn other_words_take_nothing_out() {
        let mut object = json!({"status": {"instances": [{"name": "mail-0"}]}});
        let before = object.clone();
        for words in [
            "",
            "the server is busy",
            ": field not declared in schema",
            ".status.none: field not declared in schema",
            ".status.instances[7].name: field not declared in schema",
            ".status.instances[name=\"x\"].name: field not declared in schema",
            ".status.instances[name=].name: field not declared in schema",
            ".status.instances.name: field not declared in schema",
        ] {
            assert!(!leave_out(&mut object, words), "{words}");
        }
        assert_eq!(object, before);
    }
}
