//! Mailward keeps the services of a mail server in the state that one document declares.
