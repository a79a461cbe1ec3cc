"""What every other room stands on: settings, logging, errors and process supervision."""
