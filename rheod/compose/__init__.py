"""The one builder: from the settings to everything wired."""
