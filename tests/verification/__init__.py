"""Long checks of law against simulation, with a printed verdict: `make verify`."""
