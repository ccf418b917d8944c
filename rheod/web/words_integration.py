"""Swedish for the pages Integration, of one endpoint, and of the delivery log."""

from __future__ import annotations

INTEGRATION = {
    "API keys": "API-nycklar",
    "Name": "Namn",
    "Begins": "Börjar",
    "Made": "Skapad",
    "Last used": "Senast använd",
    "Actions": "Åtgärder",
    "Revoke": "Återkalla",
    "No key yet: your ERP needs one to call rheod.": "Ingen nyckel än: affärssystemet behöver en för att anropa rheod.",
    "Revoked keys ({n})": "Återkallade nycklar ({n})",
    "revoked": "återkallad",
    "Name of a new key": "Namn på en ny nyckel",
    "Make key": "Skapa nyckel",
    "The API key {name} is made.": "API-nyckeln {name} är skapad.",
    "The key opens nothing any more.": "Nyckeln öppnar inget längre.",
    "Webhook endpoints": "Webhook-mottagare",
    "Webhook endpoint": "Webhook-mottagare",
    "Address": "Adress",
    "Events": "Händelser",
    "State": "Läge",
    "Manage": "Hantera",
    "on": "på",
    "off": "av",
    "fails ({n})": "svarar fel ({n})",
    "all": "alla",
    "None yet: nobody is told when something is listed or sold.": (
        "Ingen än: ingen får veta när något läggs ut eller säljs."
    ),
    "Add an endpoint": "Lägg till en mottagare",
    "Add": "Lägg till",
    "Events (none ticked: all)": "Händelser (inget ikryssat: alla)",
    "Whose events": "Vems händelser",
    "my own items": "mina egna artiklar",
    "those of the member accounts": "medlemskontonas",
    "Description": "Beskrivning",
    "The webhook endpoint is made. Its secret, with which every event is signed:": (
        "Webhook-mottagaren är skapad. Dess hemlighet, som varje händelse signeras med:"
    ),
    "Saved.": "Sparat.",
    "Save": "Spara",
    "Id": "Id",
    "Next try": "Nästa försök",
    "Send a test event": "Skicka en testhändelse",
    "Switch off": "Stäng av",
    "Switch on": "Slå på",
    "New secret": "Ny hemlighet",
    "Its deliveries": "Dess leveranser",
    "What it is told": "Vad den får veta",
    "Remove this endpoint": "Ta bort mottagaren",
    "What waits for it is dropped; its delivery log stays. To pause it, switch it off instead.": (
        "Det som väntar på den kastas; leveransloggen finns kvar. Stäng av den i stället om den bara ska pausas."
    ),
    "Remove for good": "Ta bort för gott",
    "The new secret; the old one signs beside it for 24 hours:": (
        "Den nya hemligheten; den gamla signerar bredvid i 24 timmar:"
    ),
    "It answered {status} after {ms} ms.": "Den svarade {status} efter {ms} ms.",
    "Not taken after {ms} ms: {error}": "Togs inte emot efter {ms} ms: {error}",
    "Switched off: its events are kept until it is switched on.": (
        "Avstängd: dess händelser sparas tills den slås på."
    ),
    "Switched on: the events it kept go out now, in order.": "Påslagen: händelserna som sparats skickas nu, i ordning.",
    "The webhook endpoint is removed; {n} events that waited are dropped.": (
        "Webhook-mottagaren är borttagen; {n} väntande händelser är kastade."
    ),
    "Tell again": "Berätta igen",
    "The same events with the same ids and bytes, for a receiver that has lost something.": (
        "Samma händelser med samma id och byte, för en mottagare som har tappat något."
    ),
    "One event: its id": "En händelse: dess id",
    "Everything since (Swedish time)": "Allt sedan (svensk tid)",
    "To": "Till",
    "every endpoint": "alla mottagare",
    "Tell it again": "Skicka igen",
    "Tell all again": "Skicka allt igen",
    "Nothing to deliver: no webhook endpoint takes such an event.": (
        "Inget att leverera: ingen mottagare tar emot en sådan händelse."
    ),
    "{n} deliveries ordered once more; {m} waited already.": (
        "{n} leveranser beställda en gång till; {m} väntade redan."
    ),
    "Password of these pages": "Lösenord till de här sidorna",
    "A password is set. A new one signs out everywhere.": "Ett lösenord är satt. Ett nytt loggar ut överallt.",
    "None is set: one signs in with the admin token alone.": "Inget är satt: man loggar in med enbart admin-token.",
    "New password (at least 12 characters)": "Nytt lösenord (minst 12 tecken)",
    "Set password": "Sätt lösenord",
    "What was done here": "Vad som gjorts här",
    "What": "Vad",
    "From": "Från",
}

DELIVERIES = {
    "Delivery log": "Leveranslogg",
    "Delivery {n}": "Leverans {n}",
    "Endpoint": "Mottagare",
    "Event or event id": "Händelse eller händelse-id",
    "Event": "Händelse",
    "Result": "Resultat",
    "taken": "mottagen",
    "failed": "misslyckad",
    "When": "När",
    "Item": "Artikel",
    "Try": "Försök",
    "Older": "Äldre",
    "Nothing was delivered that fits.": "Inget som passar har levererats.",
    "Took": "Tog",
    "Error": "Fel",
    "Sent": "Skickat",
    "Answered": "Svarat",
    "No text.": "Ingen text.",
}
