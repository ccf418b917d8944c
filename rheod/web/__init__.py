"""The owner's dashboard and other pages for people: server-rendered, without external assets."""
