"""Tests of the clients and of the kit that checks them."""
