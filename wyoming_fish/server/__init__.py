"""The Wyoming server: clients, their events, and the replies to them."""
