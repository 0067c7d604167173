// A FIX 4.4 acceptor on port 9876 for the sessions C0 to C63 with VENUE: writes a line for each logon.
#include <quickfix/Application.h>
#include <quickfix/MessageCracker.h>
#include <quickfix/NullStore.h>
#include <quickfix/SessionSettings.h>
#include <quickfix/SocketAcceptor.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

struct Venue : FIX::NullApplication {
  void onLogon(const FIX::SessionID &id) override {
    std::printf("logon %s\n", id.toString().c_str());
    std::fflush(stdout);
  }
};

int main() {
  std::stringstream settings;
  settings << "[DEFAULT]\nConnectionType=acceptor\nSocketAcceptPort=9876\nSocketReuseAddress=Y\nBeginString=FIX.4.4\n"
              "SenderCompID=VENUE\nStartTime=00:00:00\nEndTime=00:00:00\nHeartBtInt=30\nUseDataDictionary=N\n";
  for (int number = 0; number < 64; number++) settings << "[SESSION]\nTargetCompID=C" << number << "\n";
  FIX::SessionSettings parsed(settings);
  Venue venue;
  FIX::NullStoreFactory store;
  FIX::SocketAcceptor acceptor(venue, store, parsed);
  acceptor.start();
  for (;;) pause();
}
